"""What the page says when it cannot show alerts: a sentence and a remedy, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.store import AlertStore, open_store

Open = Callable[..., AppTest]
PAGES = ["", "page_queue.py", "page_case.py"]


def said(app: AppTest) -> str:
    assert not app.exception
    return "".join(element.proto.body for element in app.get("html")) + "".join(code.value for code in app.code)


@pytest.mark.parametrize("page", PAGES)
def test_missing_store_is_not_created_and_the_remedy_is_named(open_page: Open, tmp_path: Path, page: str) -> None:
    file = tmp_path / "alerts.sqlite"
    shown = said(open_page(str(file), page))
    assert "There is no alert store yet" in shown
    assert f"--store {file}" in shown
    assert not file.exists()


@pytest.mark.parametrize("page", PAGES)
def test_empty_store(open_page: Open, tmp_path: Path, page: str) -> None:
    with open_store(tmp_path / "alerts.sqlite") as store:
        shown = said(open_page(store, page))
    assert "The alert store is empty" in shown
    assert "anomaly-cl score" in shown


@pytest.mark.parametrize("page", PAGES)
def test_file_that_is_no_database(open_page: Open, tmp_path: Path, page: str) -> None:
    file = tmp_path / "alerts.sqlite"
    file.write_text("this is a text file, and a long one, so that it can be no database header " * 20)
    shown = said(open_page(str(file), page))
    assert "The alert store cannot be read" in shown
    assert "Traceback" not in shown


def test_address_that_cannot_be_a_store_keeps_its_password(open_page: Open) -> None:
    shown = said(open_page("oracle://someone:secret@127.0.0.1/alerts"))
    assert "The alert store cannot be read" in shown
    assert "secret" not in shown


def test_table_lost_while_the_dashboard_runs(open_page: Open, small: AlertStore) -> None:
    open_page(small)
    with small.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE alerts RENAME TO gone")
    assert "The alert store cannot be read" in said(open_page(small, "page_queue.py"))


def test_unknown_alert(open_page: Open, believable: AlertStore) -> None:
    shown = said(open_page(believable, "page_case.py", alert="<b>none</b>"))
    assert "This alert is not in the store" in shown
    assert "<b>" not in shown
