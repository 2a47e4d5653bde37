from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from anomaly_cl.alerts.store import AlertStore, open_store
from tests.acceptance.dashboard.believable import fill

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
SERVE = "import sys; from anomaly_cl.cli.dashboard import serve; sys.exit(serve(sys.argv[1], int(sys.argv[2])))"
PATIENCE = 30_000  # milliseconds; plotly draws seconds after the page


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and "CI" not in os.environ:
        pytest.skip("no Chromium on this machine; install it to run the browser tests")
    assert found is not None, "Chromium must be installed where CI is set"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    with open_store(tmp_path_factory.mktemp("store") / "alerts.sqlite") as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def server(store: AlertStore) -> Iterator[str]:
    """The dashboard as the command line serves it; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-c", SERVE, str(store.engine.url), str(port)]
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


class Watched:
    """What a page must not do: open a dialog, fail in a script, or speak to another machine."""

    def __init__(self, page: Page):
        self.misdeeds: list[str] = []
        page.on("dialog", lambda dialog: (self.misdeeds.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.misdeeds.append(f"script: {error}"))
        page.on("request", lambda request: self._see(request.url))

    def _see(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.misdeeds.append(f"request: {url}")


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests, so that scripts are loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of 1280x800 that must behave."""
    page = context.new_page()
    watched = Watched(page)
    yield page
    page.close()
    assert watched.misdeeds == []
