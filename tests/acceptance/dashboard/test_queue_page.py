"""The queue, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import queries
from access import Actor
from filters import Filters
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Alert, Case, Run, Verdict
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable import HOSTILE_BOLD

Open = Callable[..., AppTest]
QUEUE = "page_queue.py"
ME = Actor("m.keller", "admin", sees_private=True)
OPEN_CASES = Filters(view="cases", state="open")


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def search(app: AppTest) -> Any:
    return next(field for field in app.text_input if field.label == "Search key or entity")


def told(app: AppTest) -> str:
    """What the page said, without the signs that keep Markdown from reading it."""
    return "".join(element.value for kind in (app.toast, app.error, app.warning) for element in kind).replace("\\", "")


def test_open_cases_are_listed_riskiest_first(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE)
    assert not app.exception
    table, lines = app.dataframe[0].value, queries.cases(believable.engine, ME, OPEN_CASES)
    assert list(table["Who"]) == [line.entity for line in lines]
    assert table["Risk"].is_monotonic_decreasing
    assert "amount 4,310.25 (typically " in table["Why"][0]
    assert "Closed" not in {state for states in table["State"] for state in states}


def test_alerts_are_listed_by_the_filters_of_the_address(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, view="alerts", state="fraud", min_risk="25", text="T-", since="2018-08-09",
                    order="newest")
    assert not app.exception
    table = app.dataframe[0].value
    assert {state for states in table["Verdict"] for state in states} == {"Fraud"}
    assert table["Risk"].min() >= 25
    assert table["When"].is_monotonic_decreasing
    assert table["When"].min() >= "2018-08-09"
    assert (search(app).value, app.number_input[0].value) == ("T-", 25.0)


def test_filters_are_written_to_the_address_and_return_to_page_one(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, page="3")
    search(app).set_value("C-4").run()
    assert app.query_params == {"text": "C-4"}
    search(app).set_value("").run()
    assert app.query_params == {}


def test_an_address_that_means_nothing_is_survived(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, view="x", state="x", assignee="x", min_risk="nan", since="soon", order="down",
                    page="-7", run="none")
    assert not app.exception
    assert len(app.dataframe[0].value) == queries.PAGE_SIZE


def test_a_queue_without_matches_says_so(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, QUEUE, text="nobody has this name")
    assert not app.dataframe
    assert "No case meets these filters" in html(app)


def test_a_queue_that_is_worked_off_says_so(open_page: Open, small: AlertStore) -> None:
    with small.engine.connect() as connection:
        ids = list(connection.scalars(select(Alert.id)))
    small.decide(ids, "legitimate", author="m.keller")
    assert "Everything is decided" in html(open_page(small, QUEUE))


def test_one_verdict_with_reason_and_note_is_given_to_all_ticked_cases(open_page: Open, small: AlertStore) -> None:
    lines = queries.cases(small.engine, ME, OPEN_CASES)[:3]
    app = open_page(small, QUEUE)
    app.session_state["queue_ticked"] = {line.id: line.version for line in lines}
    app.run()
    assert "<b>3 cases</b>" in html(app)
    next(box for box in app.selectbox if box.label == "Reason").set_value("customer denies it")
    next(field for field in app.text_input if field.label == "Note").set_value("a ring")
    app = press(app, "Fraud")
    number = sum(line.alerts_open for line in lines)
    assert f"Recorded: fraud on {number} alert" in told(app)
    with small.engine.connect() as connection:
        given = connection.execute(select(Verdict).join(Alert, Alert.id == Verdict.alert_id).where(
            Alert.case_id.in_([line.id for line in lines]), Verdict.note == "a ring")).mappings().all()
    assert {(one["verdict"], one["reason"]) for one in given} == {("fraud", "customer denies it")}
    assert len(given) == number
    assert "Tick rows" in html(app)


@pytest.mark.parametrize("view", ["cases", "alerts"])
def test_nothing_is_decided_if_a_ticked_row_changed_and_the_page_tells_which(
    open_page: Open, small: AlertStore, view: Any
) -> None:
    read = queries.cases if view == "cases" else queries.alerts
    lines = read(small.engine, ME, Filters(view=view, state="open"))[:2]
    app = open_page(small, QUEUE, view=view)
    app.session_state["queue_ticked"] = {line.id: line.version for line in lines}
    app.run()
    case = lines[1].id if view == "cases" else lines[1].case_id  # type: ignore[union-attr]
    small.assign(case, "a.okafor", author="a.okafor", version=lines[1].version)
    next(field for field in app.text_input if field.label == "Note").set_value("typed")
    app = press(app, "Legitimate")
    assert "Nothing was written" in told(app)
    assert "assigned to a.okafor, by a.okafor" in told(app)
    assert next(field for field in app.text_input if field.label == "Note").value == "typed"
    assert next(button for button in app.button if button.label == "Legitimate").disabled
    ids = {line.id if view == "alerts" else line.riskiest.id for line in lines}  # type: ignore[union-attr]
    with small.engine.connect() as connection:
        assert not connection.execute(select(Verdict).where(Verdict.alert_id.in_(ids))).all()
    app = press(press(app, "Read again"), "Legitimate")
    assert "Recorded: legitimate" in told(app)


def test_filters_are_saved_applied_and_deleted(open_page: Open, small: AlertStore) -> None:
    app = open_page(small, QUEUE, view="alerts", min_risk="30")
    next(field for field in app.text_input if field.label.startswith("Save the present")).set_value("risky **ones**")
    app = press(app, "Save")
    [saved] = queries.saved_filters(small.engine)
    assert (saved.name, saved.query) == ("risky **ones**", "view=alerts&min_risk=30")
    app = open_page(small, QUEUE)
    app = press(app, "risky \\*\\*ones\\*\\*")
    assert app.query_params == {"view": "alerts", "min_risk": "30"}
    press(app, "Delete")
    assert not queries.saved_filters(small.engine)


def test_suppressions_are_listed_and_lifted(open_page: Open, small: AlertStore) -> None:
    from datetime import UTC, datetime, timedelta

    line = queries.alerts(small.engine, ME, Filters(state="open"))[0]
    small.suppress("customer", line.entities["customer"], until=datetime.now(UTC) + timedelta(days=7),
                   author="a.okafor", reason=HOSTILE_BOLD)
    hidden = queries.counts(small.engine, ME, Filters())["suppressed"]
    app = open_page(small, QUEUE)
    assert hidden
    assert f"{hidden} alert" in html(app)
    assert "a.okafor" in html(app)
    assert "<b>bold</b>" not in html(app)
    press(app, "Lift")
    assert queries.counts(small.engine, ME, Filters())["suppressed"] == 0


def test_a_viewer_reads_without_values_of_private_columns_and_decides_nothing(
    open_page: Open, small: AlertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALY_CL_ROLE", "viewer")
    with small.engine.begin() as connection:
        connection.execute(update(Run).values(private=["customer", "merchant"]))
        name = connection.scalar(select(Case.entity).order_by(Case.risk.desc()))
    app = open_page(small, QUEUE)
    assert not app.exception
    assert set(app.dataframe[0].value["Who"]) == {"•••"}
    assert str(name) not in str(app.dataframe[0].value.to_dict())
    assert "Fraud" not in {button.label for button in app.button}
    assert next(button for button in app.button if button.label == "Save").disabled
