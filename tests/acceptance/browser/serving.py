"""The dashboard as the command line serves it, in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVE = """
import sys
from anomaly_cl.cli.dashboard import serve
from anomaly_cl.cli.dashboard_access import Access
sys.exit(serve(sys.argv[1], int(sys.argv[2]), Access(role=sys.argv[3])))
"""


@contextmanager
def served(store_url: str, role: str) -> Iterator[str]:
    """Serve a store to its local user of this role; gives the address. It must end cleanly on Ctrl-C."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-c", SERVE, store_url, str(port), role]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in line, line
        try:
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, "Ctrl-C must end the dashboard cleanly"
        finally:
            process.terminate()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server outlived the command"


def _hear_ctrl_c() -> None:
    """A shell that runs tests in the background has them, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
