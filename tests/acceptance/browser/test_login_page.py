"""With login set up, the server shows a way in and nothing else to who has not logged in."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.cli.dashboard import command, find_app

pytestmark = pytest.mark.browser
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "dashboard"
client_secret = "hidden"
server_metadata_url = "http://127.0.0.1:1/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def closed_server(store: AlertStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("login")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "secrets.toml").write_text(SECRETS.format(port=port))
    (folder / "roles.yaml").write_text("users: {ann@example.org: admin}")
    options = ["--server.address=127.0.0.1", f"--secrets.files={folder / 'secrets.toml'}"]
    environment = {**os.environ, "ANOMALY_CL_STORE": str(store.engine.url), "ANOMALY_CL_ROLE": "admin",
                   "ANOMALY_CL_ROLES": str(folder / "roles.yaml")}
    line = [*command(find_app(), port), *options]
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.parametrize("path", ["", "queue?text=TX", "series"])
def test_before_login_no_page_shows_anything_of_the_store(closed_server: str, page: Page, path: str) -> None:
    received: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(str(data))))
    page.goto(f"{closed_server}/{path}")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    for shown in ("stMetric", "stDataFrame", "stPlotlyChart", "stSelectbox"):
        expect(page.get_by_test_id(shown)).to_have_count(0)
    assert received
    assert not any("TX-" in frame or "transactions-week" in frame for frame in received)
