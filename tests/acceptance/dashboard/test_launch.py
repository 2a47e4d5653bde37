"""How the command line starts the dashboard."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from anomaly_cl.cli import dashboard
from anomaly_cl.cli.dashboard_access import Access
from anomaly_cl.errors import UsageError


def test_command_line_keeps_the_server_on_this_machine_and_sends_nothing_out() -> None:
    line = [*dashboard.command(Path("app.py"), 8600), *Access().options()]
    assert line[:5] == [sys.executable, "-m", "streamlit", "run", "app.py"]
    assert {"--server.address=127.0.0.1", "--server.port=8600", "--browser.gatherUsageStats=false"} < set(line)


def test_every_option_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    options = [*dashboard.STREAMLIT_OPTIONS, *Access().options()]
    names = {option.partition("=")[0].removeprefix("--") for option in options}
    assert names <= set(config.get_config_options())


def test_app_is_found() -> None:
    assert dashboard.find_app().read_text(encoding="utf-8").startswith('"""The dashboard')


def test_asked_port_that_is_taken_is_refused_by_name() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"{port} is taken"):
            dashboard.serve(None, port)


def test_another_port_is_chosen_if_none_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(dashboard, "FIRST_PORT", taken.getsockname()[1])
        assert dashboard._port(None) != taken.getsockname()[1]
