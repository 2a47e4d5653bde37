from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from sqlalchemy.orm import Session
from streamlit import config
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Alert
from anomaly_cl.alerts.store import AlertStore, open_store
from tests.acceptance.dashboard.believable import fill
from tests.acceptance.dashboard.worked import fill_and_work
from tests.databases import new_database

APP = Path(__file__).parents[3] / "apps" / "dashboard" / "app.py"


@pytest.fixture(scope="session")
def believable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A filled store that tests only read."""
    with open_store(tmp_path_factory.mktemp("store") / "alerts.sqlite") as store:
        fill(store)
        yield store


@pytest.fixture(scope="session")
def all_alerts(believable: AlertStore) -> list[Alert]:
    with Session(believable.engine, expire_on_commit=False) as session:
        return session.query(Alert).all()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[AlertStore]:
    """A small store that a test may write to."""
    with open_store(tmp_path / "alerts.sqlite") as store:
        fill(store, scored=2_000, decided=5)
        yield store


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def worked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A store that people have worked in, on each database; tests only read it."""
    file = tmp_path_factory.mktemp("worked") / "alerts.sqlite"
    with open_store(file if request.param == "sqlite" else new_database(request.getfixturevalue("server"))) as store:
        fill_and_work(store)
        yield store


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Opens a page of the dashboard on a store, with query parameters."""

    def opened(store: AlertStore | str, script: str = "", **parameters: str) -> AppTest:
        url = store if isinstance(store, str) else store.engine.url.render_as_string(hide_password=False)
        config.set_option("server.address", "127.0.0.1")  # as the command line starts it
        app = AppTest.from_file(str(APP), default_timeout=30)
        if script:
            # pages are known after a first run, which is quickest where there is nothing to show
            monkeypatch.setenv("ANOMALY_CL_STORE", str(APP.parent / "none.sqlite"))
            app.run()
            app.switch_page(script)
        monkeypatch.setenv("ANOMALY_CL_STORE", url)
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.run()

    yield opened
    st.cache_resource.clear()
