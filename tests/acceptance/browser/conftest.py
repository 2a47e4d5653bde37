from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect, sync_playwright
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import AlertStore, open_store
from tests.acceptance.browser.serving import served
from tests.acceptance.dashboard.believable import fill
from tests.acceptance.dashboard.believable_insight import enrich, fill_series
from tests.databases import new_database

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # no name of another machine is found
PATIENCE = 60_000  # milliseconds; plotly draws seconds after the page
HOSTILE_ENTITY = "=HYPERLINK(\"http://x.example\")"
PRIVATE = "terminal"  # the column that viewers may not see


@dataclass(frozen=True)
class Dashboard:
    """A store, and the address at which an admin works on it."""

    store: AlertStore
    address: str

    @property
    def url(self) -> str:
        return self.store.engine.url.render_as_string(hide_password=False)


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


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A believable store for servers that a test starts itself."""
    with open_store(tmp_path_factory.mktemp("store") / "alerts.sqlite") as store:
        fill(store)
        yield store


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A believable store on each database, with records that attack and a private column, served to an admin."""
    if request.param == "sqlite":
        url = str(tmp_path_factory.mktemp("store") / "alerts.sqlite")
    else:
        url = new_database(request.getfixturevalue("server"))
    with open_store(url) as store:
        fill(store)
        enrich(store)
        fill_series(store)
        with Session(store.engine) as session, session.begin():
            session.get_one(Run, "run-newest").private = [PRIVATE]
        _attack(store)
        with served(Dashboard(store, "").url, "admin") as address:
            yield Dashboard(store, address)


def _attack(store: AlertStore) -> None:
    """An alert whose key and entity are a formula, as one that a stranger chose for an account's name."""
    with Session(store.engine) as session:
        model = session.scalars(select(Alert).order_by(Alert.risk.desc()).limit(1)).one()
        values = {column.key: getattr(model, column.key) for column in inspect(Alert).column_attrs}
        run = {column.key: getattr(model.run, column.key) for column in inspect(Run).column_attrs}
    values |= {"id": "attack", "run_id": "run-attack", "key": HOSTILE_ENTITY, "name": HOSTILE_ENTITY,
               "entity": HOSTILE_ENTITY, "entities": {"customer": HOSTILE_ENTITY}, "risk": 40.0}
    store.add_run(Run(**run | {"id": "run-attack", "created_at": run["created_at"] - timedelta(days=1)}),
                  [Alert(**values)])


@pytest.fixture(scope="session")
def viewer_address(dashboard: Dashboard) -> Iterator[str]:
    """Where a viewer reads the same store."""
    with served(dashboard.url, "viewer") as address:
        yield address


@dataclass
class Watched:
    """What a page must not do: open a dialog, fail in a script, or speak to another machine; and what it was sent."""

    page: Page
    misdeeds: list[str] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", lambda dialog: (self.misdeeds.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.misdeeds.append(f"script: {error}"))
        self.page.on("request", lambda request: self._see(request.url))
        self.page.on("websocket", self._listen)

    def _see(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.misdeeds.append(f"request: {url}")

    def _listen(self, socket: WebSocket) -> None:
        self._see(socket.url)
        socket.on("framereceived", lambda payload: self.received.append(
            payload if isinstance(payload, bytes) else payload.encode()))


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests, so that scripts are loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    """A page of 1280x800 that must behave, and what it did."""
    page = context.new_page()
    watched = Watched(page)
    yield watched
    page.close()
    assert watched.misdeeds == []


@pytest.fixture
def page(watched: Watched) -> Page:
    """A page of 1280x800 that must behave."""
    return watched.page


@pytest.fixture
def other_page(browser: Browser) -> Iterator[Page]:
    """A page of somebody else, in a browser of their own."""
    with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light") as context:
        context.set_default_timeout(PATIENCE)
        watched = Watched(context.new_page())
        yield watched.page
        assert watched.misdeeds == []
