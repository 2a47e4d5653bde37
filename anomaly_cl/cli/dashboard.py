"""anomaly-cl dashboard"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from anomaly_cl.cli.dashboard_access import ADDRESS, Access, LocalRole
from anomaly_cl.cli.options import Store
from anomaly_cl.cli.screen import say
from anomaly_cl.errors import InputError, UsageError

FIRST_PORT = 8501
LONGEST_START = 60.0  # seconds
LONGEST_END = 10.0

# Okabe and Ito's colours, told apart with any colour vision; nothing is loaded from, or sent to, another machine.
STREAMLIT_OPTIONS = (
    "--server.headless=true", "--server.showEmailPrompt=false", "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false", "--client.toolbarMode=viewer", "--client.showErrorDetails=none",
    "--client.showErrorLinks=false", "--client.disableDataExport=true", "--logger.level=warning",
    "--global.disableWidgetStateDuplicationWarning=true",
    "--theme.baseFontSize=15", "--theme.baseRadius=0.4rem", "--theme.showWidgetBorder=true",
    "--theme.metricValueFontSize=1.6rem", "--theme.metricValueFontWeight=600",
    "--theme.light.primaryColor=#0072B2", "--theme.light.backgroundColor=#FFFFFF",
    "--theme.light.secondaryBackgroundColor=#F4F6F8", "--theme.light.textColor=#1C2733",
    "--theme.light.borderColor=#DCE2E8",
    "--theme.dark.primaryColor=#3D9BD6", "--theme.dark.backgroundColor=#12171D",
    "--theme.dark.secondaryBackgroundColor=#1C232B", "--theme.dark.textColor=#E4E9EE",
    "--theme.dark.borderColor=#323C47",
)


def dashboard(
    store: Store = None,
    port: Annotated[int | None, typer.Option(
        metavar="N", show_default="8501, or a free one", help="Port on this machine.")] = None,
    roles: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default=False, envvar="ANOMALY_CL_ROLES",
        help="Who may do what, as YAML: {default: viewer, users: {ann@example.org: admin}, private: [analyst, admin]}; "
             "private names the roles that see private columns.")] = None,
    role: Annotated[LocalRole | None, typer.Option(
        show_default="admin", envvar="ANOMALY_CL_ROLE", help="Your own role, where there is no login.")] = None,
    secrets: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default=False,
        help="Login by OpenID Connect: Streamlit's secrets.toml with [auth]. Needs anomaly_cl[login].")] = None,
    address: Annotated[str, typer.Option(
        metavar="IP", help="Address to listen at; another than this machine's own only with --secrets.")] = ADDRESS,
) -> None:
    """Open the page to work through the alerts, for this machine only unless login is set up; Ctrl-C ends it.

    Example: `anomaly-cl dashboard --store alerts.sqlite`
    """
    raise typer.Exit(serve(store, port, Access(roles, role.value if role else None, secrets, address)))


def serve(store_url: str | None, port: int | None, access: Access | None = None) -> int:
    """Run the dashboard until it is interrupted; gives the exit code.

    UsageError if the asked port is taken or the access cannot be meant, InputError if the app cannot be found or does
    not start.
    """
    access = access or Access()
    options, environment = access.options(), {**os.environ, **access.environment()}
    port = _port(port, access.address)
    if store_url:
        environment["ANOMALY_CL_STORE"] = store_url
    child = subprocess.Popen([*command(find_app(), port), *options], env=environment, stdout=subprocess.DEVNULL)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        _wait_until_open(child, port, access.reached_at)
        say(f"Dashboard: {access.shown_at(port)}  (Ctrl-C ends it)")
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(child)


def command(app: Path, port: int) -> list[str]:
    """The command line that serves this Streamlit script on a port of this machine."""
    return [sys.executable, "-m", "streamlit", "run", str(app), *STREAMLIT_OPTIONS, f"--server.port={port}"]


def find_app() -> Path:
    """The dashboard's script: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    places = [package / "_apps" / "dashboard" / "app.py", package.parent / "apps" / "dashboard" / "app.py"]
    for place in places:
        if place.is_file():
            return place
    raise InputError("the dashboard's app.py must lie in the package or in apps/dashboard",
                     f"not found at {', '.join(map(str, places))}", "install anomaly_cl again")


def _port(asked: int | None, address: str = ADDRESS) -> int:
    if asked is not None:
        if not _is_free(asked, address):
            raise UsageError("the port must be free", f"{asked} is taken", "leave --port out, or choose another")
        return asked
    if _is_free(FIRST_PORT, address):
        return FIRST_PORT
    with socket.socket(_family(address)) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _is_free(port: int, address: str) -> bool:
    with socket.socket(_family(address)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError):
            return False
    return True


def _wait_until_open(child: subprocess.Popen[bytes], port: int, address: str) -> None:
    deadline = time.monotonic() + LONGEST_START
    while child.poll() is None and time.monotonic() < deadline:
        with socket.socket(_family(address)) as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.1)
    raise InputError("the dashboard must start", f"Streamlit ended with {child.poll()}, or stayed silent",
                     "read its messages above")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(LONGEST_END)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
