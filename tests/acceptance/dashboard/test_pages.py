"""The pages, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import charts
import policy
import pytest
import queries
from queries import Filters
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Run
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable import HOSTILE_BOLD, HOSTILE_FORMULA, HOSTILE_IMAGE, HOSTILE_LINK

Open = Callable[..., AppTest]
QUEUE, RECORD = "page_queue.py", "page_case.py"


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def metrics(app: AppTest) -> dict[str, str]:
    """The first metric of each label."""
    return {metric.label: metric.value for metric in reversed(app.metric)}


def markup(app: AppTest) -> list[str]:
    return [element.value for element in [*app.markdown, *app.caption]]


def test_overview_shows_the_newest_run_and_its_counts(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable)
    run = queries.run(believable.engine, "run-newest")
    assert run is not None
    assert not app.exception
    shown = metrics(app)
    assert shown["Rows scored"] == "20,000"
    assert shown["Verdicts"] == "60"
    assert shown["Precision so far"].endswith("%")


def test_policy_slider_starts_at_the_run_s_own_policy_and_its_exact_count(
    open_page: Open, believable: AlertStore
) -> None:
    app = open_page(believable)
    run = queries.run(believable.engine, "run-newest")
    assert run is not None
    assert app.select_slider[0].value == policy.rate_of(run.policy, {})
    assert app.metric[6].value == f"{run.alerts_raised}"


def test_policy_slider_forecasts_alerts_and_false_alarms(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, alpha="0.001")
    kept = dict(queries.run(believable.engine, "run-newest").summary["alerts_at"])  # type: ignore[union-attr]
    assert [metric.value for metric in app.metric[6:]] == [f"{kept[0.001]}", f"{kept[0.001] / 7:.2g}", "≤ 20"]
    app.select_slider[0].set_value(0.1).run()
    assert app.query_params["alpha"] == "0.1"
    assert app.metric[8].value == "≤ 2,000"


COST_CUT = {
    "p_value_at_most": 0.004, "prior": 0.006, "expected_cost": 1234.5, "expected_false_alarms": 80.0,
    "cost_without_alerts": 6000.0, "cost_curve": [[0.0, 6000.0], [0.001, 2000.0], [0.004, 1234.5], [0.4, 9000.0]],
}


@pytest.mark.parametrize(("text", "cut", "words", "rate"), [
    ("fdr=0.05", {"p_value_at_most": 0.002}, "5 % of alerts false", 0.002),
    ("fdr=0.05", {"p_value_at_most": 0.0}, "5 % of alerts false", None),
    ("fdr=0.05,arbitrary,tail,share=0.001", {"p_tail_at_most": 1e-5}, "Yekutieli, tail", None),
    ("budget=40/day", {"groups": 7}, "the 40 highest scores of each day", None),
    ("cost=1:50,prior=0.006", COST_CUT, "least expected cost", 0.004),
    ("cost=1:50", {**COST_CUT, "p_value_at_most": 0.0, "cost_curve": [[0.0, 6000.0]]}, "estimated", None),
    ("cost=1:50", {**COST_CUT, "p_value_at_most": 0.45}, "estimated", 0.1),
    (HOSTILE_BOLD, {}, "", None),
])
def test_a_run_of_any_policy_is_shown_with_its_words_and_starts_the_slider_at_its_rate(
    open_page: Open, small: AlertStore, text: str, cut: dict[str, Any], words: str, rate: float | None
) -> None:
    with Session(small.engine) as session, session.begin():
        run = session.get(Run, "run-newest")
        assert run is not None
        run.policy, run.summary = text, {**run.summary, "cut": cut}
    app = open_page(small)
    assert not app.exception
    told = "".join(shown.value for shown in app.caption).replace("\\", "")
    assert words in told
    assert rate is None or app.select_slider[0].value == pytest.approx(rate)
    assert ("Least at" in told) == ("cost_curve" in cut)
    assert "**bold**" not in "".join(markup(app))


def test_another_run_is_chosen_and_kept_in_the_address(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable)
    app.selectbox[0].set_value("run-older").run()
    assert not app.exception
    assert app.query_params["run"] == "run-older"
    assert metrics(app)["Rows scored"] == "10,000"
    assert open_page(believable, run="run-older").selectbox[0].value == "run-older"


def test_queue_lists_a_page_of_alerts_in_order(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE)
    table = app.dataframe[0].value
    lines = queries.alerts(believable.engine, Filters())
    assert list(table["Record"]) == [line.key for line in lines]
    assert table["Risk"].is_monotonic_decreasing
    assert "amount 4,310.25 (typically " in table["Why"][0]


def test_queue_reads_its_filters_from_the_address(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, state="fraud", min_risk="25", text="T-", since="2018-08-09", order="newest")
    table = app.dataframe[0].value
    assert not app.exception
    assert {state for states in table["State"] for state in states} == {"Fraud"}
    assert table["Risk"].min() >= 25
    assert table["When"].is_monotonic_decreasing
    assert table["When"].min() >= "2018-08-09"
    assert (app.text_input[0].value, app.number_input[0].value, app.selectbox[1].value) == ("T-", 25.0, "newest")


def test_queue_writes_its_filters_to_the_address_and_returns_to_page_one(
    open_page: Open, believable: AlertStore
) -> None:
    app = open_page(believable, QUEUE, page="3")
    app.text_input[0].set_value("C-4").run()
    assert app.query_params == {"text": "C-4"}
    app.text_input[0].set_value("").run()
    assert app.query_params == {}


def test_queue_survives_an_address_that_means_nothing(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, state="x", min_risk="nan", since="soon", order="down", page="-7", run="none")
    assert not app.exception
    assert len(app.dataframe[0].value) == queries.PAGE_SIZE


def test_queue_without_matches_says_so(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, text="nobody has this name")
    assert not app.dataframe
    assert "No alert meets these filters" in html(app)


def test_record_opens_by_its_address_and_shows_values_beside_normal(open_page: Open, believable: AlertStore) -> None:
    line = queries.alerts(believable.engine, Filters())[5]
    details = queries.alert(believable.engine, line.id)
    assert details is not None
    app = open_page(believable, RECORD, alert=line.id)
    assert not app.exception
    shown = html(app)
    assert f"<h1>{line.key}</h1>" in shown
    assert shown.count("Normal ") == len(details.neighbours)
    assert all(f">{column}</th>" in shown for column in details.record)
    assert f"risk {line.risk:.1f}" in shown


def test_verdict_is_kept_and_shown(open_page: Open, small: AlertStore) -> None:
    line = queries.alerts(small.engine, Filters(state="open"))[0]
    app = open_page(small, RECORD, alert=line.id)
    app.text_area[0].set_value("<b>Denied</b> by the customer")
    app.text_input[0].set_value("m.keller")
    next(button for button in app.button if button.label == "Fraud").click().run()
    assert not app.exception
    [given] = queries.verdicts(small.engine, line.id)
    assert (given.verdict, given.author, given.note) == ("fraud", "m.keller", "<b>Denied</b> by the customer")
    again = html(open_page(small, RECORD, alert=line.id))
    assert "m.keller" in again
    assert "&lt;b&gt;Denied&lt;/b&gt; by the customer" in again


def test_verdict_without_a_name_is_refused(open_page: Open, small: AlertStore) -> None:
    line = queries.alerts(small.engine, Filters(state="open"))[0]
    app = open_page(small, RECORD, alert=line.id)
    app.text_input[0].set_value("  ")
    next(button for button in app.button if button.label == "Legitimate").click().run()
    assert "needs a name" in app.error[0].value
    assert not queries.verdicts(small.engine, line.id)


def test_next_walks_the_filtered_queue(open_page: Open, believable: AlertStore) -> None:
    lines = queries.alerts(believable.engine, Filters(state="fraud"))
    app = open_page(believable, RECORD, alert=lines[0].id, state="fraud")
    assert app.button[0].disabled
    app.button[1].click().run()
    assert app.query_params == {"state": "fraud", "alert": lines[1].id}
    assert f"<h1>{lines[1].key}</h1>" in html(app)


@pytest.mark.parametrize("hostile", [HOSTILE_IMAGE, HOSTILE_LINK, HOSTILE_FORMULA, HOSTILE_BOLD])
def test_hostile_values_are_escaped_in_tables_and_charts(
    open_page: Open, believable: AlertStore, hostile: str
) -> None:
    line = next(line for line in queries.alerts(believable.engine, Filters())
                if any(reason["value"] == hostile for reason in line.reasons))
    app = open_page(believable, RECORD, alert=line.id)
    assert not app.exception
    assert "<img" not in html(app)
    assert "<b>" not in html(app)
    assert not any(hostile in text for text in markup(app))
    labels = charts.reason_bars(line.reasons).layout.yaxis.ticktext
    assert not any(tag in label.replace("<br><span style='font-size:12px'>", "").replace("</span>", "")
                   for label in labels for tag in ("<", "javascript:alert(1)'>"))
