"""The page of a case, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import case_queries
import charts
import pytest
import queries
import timeline
from access import Actor
from filters import Filters
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Alert, Case, Run, Suppression, Verdict
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable import HOSTILE_BOLD, HOSTILE_FORMULA, HOSTILE_IMAGE, HOSTILE_LINK

Open = Callable[..., AppTest]
CASE = "page_case.py"
ME = Actor("m.keller", "admin", sees_private=True)
OPEN_CASES = Filters(view="cases", state="open")


def html(app: AppTest) -> str:
    assert not app.exception
    return "".join(element.proto.body for element in app.get("html"))


def markup(app: AppTest) -> list[str]:
    return [element.value for element in [*app.markdown, *app.caption]]


def press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def told(app: AppTest) -> str:
    """What the page said, without the signs that keep Markdown from reading it."""
    return "".join(element.value for kind in (app.toast, app.error, app.warning) for element in kind).replace("\\", "")


def riskiest(store: AlertStore) -> queries.CaseLine:
    return queries.cases(store.engine, ME, OPEN_CASES)[0]


def note(app: AppTest) -> Any:
    """The note of the verdict."""
    return next(area for area in app.text_area if area.label == "Note")


def several(store: AlertStore) -> queries.CaseLine:
    """An open case with several open alerts."""
    return next(line for line in queries.cases(store.engine, ME, OPEN_CASES) if line.alerts_open > 1)


def verdicts(store: AlertStore) -> set[tuple[str, str, str, str, str]]:
    with store.engine.connect() as connection:
        return {(row.alert_id, row.verdict, row.reason, row.note, row.author)
                for row in connection.execute(select(Verdict.__table__))}


def test_a_link_to_an_alert_opens_its_case_with_values_beside_normal(open_page: Open, believable: AlertStore) -> None:
    line = queries.alerts(believable.engine, ME, Filters())[5]
    details = case_queries.alert(believable.engine, ME, line.id)
    assert details is not None
    app = open_page(believable, CASE, alert=line.id)
    shown = html(app)
    assert app.query_params == {"case": str(line.case_id), "alert": line.id}
    assert f"<span class='of'>customer</span> {line.entities['customer']}</h1>" in shown
    assert line.title in shown
    assert shown.count("Normal ") == len(details.neighbours)
    assert all(f">{column}</th>" in shown for column in details.record)
    assert f"risk {line.risk:.1f}" in shown
    assert "It would not be flagged with " in shown


def test_a_case_opens_at_its_riskiest_open_alert(open_page: Open, small: AlertStore) -> None:
    line = several(small)
    first, second = [one for one in case_queries.alerts_of_case(small.engine, ME, line.id) if one.verdict is None][:2]
    assert open_page(small, CASE, case=str(line.id)).query_params["alert"] == first.id
    small.add_verdict(first.id, "unsure", author="m.keller")
    assert open_page(small, CASE, case=str(line.id)).query_params["alert"] == second.id


@pytest.mark.parametrize("asked", [{"alert": "<b>none</b>"}, {"case": "123456789"}, {"case": "<b>x</b>"},
                                   {"case": "9" * 40}])
def test_an_address_of_nothing_says_so(open_page: Open, believable: AlertStore, asked: dict[str, str]) -> None:
    shown = html(open_page(believable, CASE, **asked))
    assert "is not in the store" in shown
    assert "<b>" not in shown


def test_a_verdict_is_kept_with_reason_note_and_author_and_shown(open_page: Open, small: AlertStore) -> None:
    line = riskiest(small)
    assert line.riskiest is not None
    app = open_page(small, CASE, case=str(line.id))
    next(box for box in app.selectbox if box.label == "Reason").set_value("customer denies it")
    note(app).set_value("<b>Denied</b> by the customer")
    next(field for field in app.text_input if field.label == "Your name").set_value("m.keller")
    app = press(app, "Fraud")
    assert "Recorded: fraud" in told(app)
    assert (line.riskiest.id, "fraud", "customer denies it", "<b>Denied</b> by the customer", "m.keller"
            ) in verdicts(small)
    again = html(open_page(small, CASE, case=str(line.id)))
    assert "m.keller" in again
    assert "&lt;b&gt;Denied&lt;/b&gt; by the customer" in again
    assert note(app).value == ""


def test_a_verdict_on_all_open_alerts_closes_the_case(open_page: Open, small: AlertStore) -> None:
    line = several(small)
    app = open_page(small, CASE, case=str(line.id))
    next(group for group in app.button_group if "This alert" in str(group.options)).set_value("All open alerts")
    app = press(app, "Legitimate")
    assert f"Recorded: legitimate on {line.alerts_open} alerts" in told(app)
    after = case_queries.case(small.engine, ME, line.id)
    assert after is not None
    assert (after.state, after.alerts_open) == ("closed", 0)


def test_a_verdict_without_a_name_is_refused_and_what_was_typed_stays(open_page: Open, small: AlertStore) -> None:
    before = verdicts(small)
    app = open_page(small, CASE)
    next(field for field in app.text_input if field.label == "Your name").set_value("  ")
    note(app).set_value("typed")
    app = press(app, "Legitimate")
    assert "needs a name" in told(app)
    assert note(app).value == "typed"
    assert verdicts(small) == before


def test_a_stale_write_is_refused_with_who_wrote_what_and_the_note_is_kept(open_page: Open, small: AlertStore) -> None:
    line = riskiest(small)
    app = open_page(small, CASE, case=str(line.id))
    small.set_state(line.id, "in review", author="a.okafor", version=line.version)
    before = verdicts(small)
    note(app).set_value("typed")
    app = press(app, "Fraud")
    assert "Nothing was written" in told(app)
    assert "state in review, by a.okafor" in told(app)
    assert verdicts(small) == before
    assert note(app).value == "typed"
    assert next(button for button in app.button if button.label == "Fraud").disabled
    app = press(press(app, "Read again"), "Fraud")
    assert {said for *_, said, _ in verdicts(small) - before} == {"typed"}


def test_state_assignee_and_note_are_written_and_stand_in_the_history(open_page: Open, small: AlertStore) -> None:
    line = riskiest(small)
    app = press(open_page(small, CASE, case=str(line.id)), "Start review")
    next(field for field in app.text_input if field.label == "Assign to").set_value("a.okafor")
    app = next(button for button in app.button if button.label == "Assign").click().run()
    next(field for field in app.text_area if field.label == "Note on the case").set_value("<i>called</i>")
    app = press(app, "Add note")
    shown = html(press(press(app, "Close case"), "Reopen"))
    for text in ("in review", "assigned to <b>a.okafor</b>", "&lt;i&gt;called&lt;/i&gt;", "closed"):
        assert text in shown
    after = case_queries.case(small.engine, ME, line.id)
    assert after is not None
    assert (after.state, after.assignee, after.version) == ("in review", "a.okafor", line.version + 5)


def test_alerts_with_a_value_of_the_record_are_ignored_for_some_days(open_page: Open, small: AlertStore) -> None:
    line = riskiest(small)
    app = open_page(small, CASE, case=str(line.id))
    next(box for box in app.selectbox if box.label == "Ignore alerts where").set_value("terminal")
    next(field for field in app.text_input if field.label == "Reason").set_value("a test terminal")
    app = press(app, "Ignore them")
    assert "suppressed for 7 days" in told(app)
    assert line.riskiest is not None
    with small.engine.connect() as connection:
        made = connection.execute(select(Suppression.__table__)).one()
    assert (made.column_name, made.value, made.reason) == ("terminal", line.riskiest.entities["terminal"],
                                                           "a test terminal")


def test_next_walks_the_filtered_cases_and_alerts(open_page: Open, believable: AlertStore) -> None:
    cases = queries.cases(believable.engine, ME, Filters(view="cases", state="fraud"))
    app = open_page(believable, CASE, case=str(cases[0].id), state="fraud")
    assert app.button[0].disabled
    app = press(app, "Next")
    assert (app.query_params["state"], app.query_params["case"]) == ("fraud", str(cases[1].id))
    alerts = queries.alerts(believable.engine, ME, Filters(state="fraud"))
    app = press(open_page(believable, CASE, alert=alerts[1].id, view="alerts", state="fraud"), "Previous")
    assert app.query_params["alert"] == alerts[0].id


def test_a_viewer_sees_masks_and_is_refused_by_the_server(
    open_page: Open, small: AlertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, before = riskiest(small), verdicts(small)
    with small.engine.begin() as connection:
        connection.execute(update(Run).values(private=["customer", "merchant"]))
    app = open_page(small, CASE, case=str(line.id))
    monkeypatch.setenv("ANOMALY_CL_ROLE", "viewer")
    # the page is still the one that an admin was shown: not the button refuses, the server does
    app = press(app, "Fraud")
    assert "needs the role analyst or admin" in told(app)
    assert verdicts(small) == before
    assert str(line.entity) not in html(app) + "".join(markup(app))
    assert all(button.disabled for button in app.button if button.label in ("Fraud", "Start review", "Assign to me"))


@pytest.mark.parametrize("hostile", [HOSTILE_IMAGE, HOSTILE_LINK, HOSTILE_FORMULA, HOSTILE_BOLD])
def test_hostile_values_are_escaped_in_tables_charts_and_texts(
    open_page: Open, believable: AlertStore, hostile: str
) -> None:
    line = next(line for line in queries.alerts(believable.engine, ME, Filters())
                if any(reason["value"] == hostile for reason in line.reasons))
    app = open_page(believable, CASE, alert=line.id)
    shown = html(app)
    assert "<img" not in shown
    assert "<b>bold" not in shown
    assert "<a href='javascript" not in shown
    assert not any(hostile in text for text in markup(app))
    labels = charts.reason_bars(line.reasons).layout.yaxis.ticktext
    assert not any(tag in label.replace("<br><span style='font-size:12px'>", "").replace("</span>", "")
                   for label in labels for tag in ("<", "javascript:alert(1)'>"))


def test_the_timeline_shows_other_records_alerts_by_verdict_and_rings_the_chosen_one(small: AlertStore) -> None:
    line = several(small)
    alerts = case_queries.alerts_of_entity(small.engine, ME, line.id)
    details = case_queries.alert(small.engine, ME, alerts[0].id)
    assert details is not None
    past = case_queries.past(small.engine, ME, details)
    figure = timeline.timeline(past.records, alerts, alerts[0].id)
    assert figure is not None
    traces = {trace.name: trace for trace in figure.data}
    keys = {alert.key for alert in alerts}
    assert len(traces["records"].x) == sum(record["key"] not in keys for record in past.records)
    marked = [one for name, trace in traces.items() if name.endswith(" alert") and name != "this alert"
              for one in trace.customdata]
    assert sorted(marked) == sorted(alert.id for alert in alerts)
    assert list(traces["this alert"].x) == [alerts[0].occurred_at]


def test_a_record_without_time_or_entity_has_no_timeline(small: AlertStore) -> None:
    with small.engine.begin() as connection:
        connection.execute(update(Alert).values(occurred_at=None))
        case = connection.scalar(select(Case.id))
    assert timeline.timeline([], case_queries.alerts_of_entity(small.engine, ME, int(case or 0)), "") is None
