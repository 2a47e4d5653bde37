"""Alerts that are spans of series, in the pages that were made for records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import case_queries
import charts
import comparison
import pytest
import queries
from access import Actor
from filters import Filters
from streamlit.testing.v1 import AppTest

from anomaly_cl import score_file
from anomaly_cl.alerts.store import AlertStore, open_store
from tests.unit.detectors.made_up_readings import readings, untrained

Open = Callable[..., AppTest]
ME = Actor("m.keller", "admin", sees_private=True)


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> AlertStore:
    folder: Path = tmp_path_factory.mktemp("spans")
    rows = readings()
    rows.to_parquet(folder / "rows.parquet", index=False)
    score_file(untrained(rows), folder / "rows.parquet", folder / "out.parquet", store=str(folder / "alerts.sqlite"))
    return open_store(folder / "alerts.sqlite")


def test_the_record_page_shows_where_the_span_lies_and_its_channels(open_page: Open, spans: AlertStore) -> None:
    riskiest = queries.alerts(spans.engine, ME, Filters())[0]
    app = open_page(spans, "page_case.py", alert=riskiest.id)
    assert not app.exception
    shown = "".join(element.proto.body for element in app.get("html"))
    for text in ("who b", "span start", "span steps", "span channels", "heat", "Typical"):
        assert text in shown


def test_a_verdict_on_a_span_is_kept(open_page: Open, spans: AlertStore) -> None:
    last = queries.alerts(spans.engine, ME, Filters())[-1]
    app = open_page(spans, "page_case.py", alert=last.id)
    next(field for field in app.text_input if field.label == "Your name").set_value("m.keller")
    next(button for button in app.button if button.label == "Unsure").click().run()
    assert not app.exception
    given = case_queries.history(spans.engine, ME, last.case_id)
    assert [line.author for line in given if line.alert_id == last.id] == ["m.keller"]


@pytest.mark.parametrize("page", ["", "page_queue.py"])
def test_overview_and_queue_count_spans(open_page: Open, spans: AlertStore, page: str) -> None:
    app = open_page(spans, page)
    assert not app.exception
    run = queries.runs(spans.engine)[0]
    assert run.alerts_raised == queries.state_counts(spans.engine, Filters()).total > 0
    assert not app.select_slider  # counts of steps at other rates are no forecast of spans


def test_the_parts_of_the_page_take_a_record_without_neighbours(spans: AlertStore) -> None:
    for line in queries.alerts(spans.engine, ME, Filters()):
        alert = case_queries.alert(spans.engine, ME, line.id)
        assert alert is not None
        columns = comparison.columns_in_order(alert)
        assert columns[0] == "who"
        assert "Normal 1" not in comparison.comparison_table(alert, columns)
        charts.reason_bars(alert.reasons)
        charts.score_place(alert.score_histogram, alert.score)
