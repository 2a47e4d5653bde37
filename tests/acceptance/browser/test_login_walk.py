"""Login by OpenID Connect from the first page to the last, with a provider of our own, where Authlib is installed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from anomaly_cl.alerts.store import AlertStore

if TYPE_CHECKING:
    from tests.acceptance.browser.openid import Provider

pytestmark = pytest.mark.browser
COMMAND = "import sys; from anomaly_cl.cli import main; sys.exit(main())"
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "dashboard"
client_secret = "hidden"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    for module in ("authlib", "httpx"):
        pytest.importorskip(module, reason="login needs anomaly_cl[login]", exc_type=ImportError)
    from tests.acceptance.browser.openid import Provider

    provider = Provider("dashboard")
    yield provider
    provider.close()


@pytest.fixture
def guarded(store: AlertStore, provider: Provider, tmp_path: Path) -> Iterator[str]:
    """The dashboard as the command line serves it with login."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "secrets.toml").write_text(SECRETS.format(port=port, provider=provider.address))
    (tmp_path / "roles.yaml").write_text("users: {ann@example.org: viewer}")
    line = [sys.executable, "-c", COMMAND, "dashboard", "--store", str(store.engine.url), "--port", str(port),
            "--roles", str(tmp_path / "roles.yaml"), "--secrets", str(tmp_path / "secrets.toml")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)


def test_only_who_is_in_the_roles_file_gets_beyond_login(guarded: str, provider: Provider, browser: Browser) -> None:
    for email, said in (("ann@example.org", "ann@example.org · viewer"), ("eve@example.org", "You are not let in")):
        provider.email = email
        context = browser.new_context()
        page = context.new_page()
        page.goto(guarded)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text(said)).to_be_visible()
        expect(page.get_by_test_id("stMetric").first).to_be_visible(visible=email.startswith("ann"))
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        context.close()
