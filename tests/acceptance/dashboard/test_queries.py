"""The lists of the queue, against the same questions answered row by row in Python, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import pytest
import queries
from access import Actor
from filters import ASSIGNEES, ORDERS, STATES, VIEWS, Filters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session, selectinload

from anomaly_cl.alerts.models import Alert, Case
from anomaly_cl.alerts.store import AlertStore

ME = Actor("m.keller", "analyst", sees_private=True)
FILTERS = st.sampled_from(VIEWS).flatmap(lambda view: st.builds(
    Filters,
    view=st.just(view),
    run=st.sampled_from([None, "run-newest", "run-older"]),
    state=st.sampled_from([None, *STATES[view]]),
    assignee=st.sampled_from([None, *ASSIGNEES]),
    min_risk=st.sampled_from([0.0, 18.5, 40.0, 99.0]),
    text=st.sampled_from(["", "c-4", "T-12", "tx-170", "%", "_", " C-42 ", "nothing"]),
    since=st.sampled_from([None, date(2018, 8, 9), date(2018, 8, 12)]),
    until=st.sampled_from([None, date(2018, 8, 11), date(2018, 8, 14)]),
    order=st.sampled_from(ORDERS),
))
READS_ONLY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def rows(worked: AlertStore) -> dict[str, list[Any]]:
    with Session(worked.engine) as session:
        loaded = select(Case).options(selectinload(Case.alerts).joinedload(Alert.case))
        cases = list(session.scalars(loaded))
        session.expunge_all()
        return {"cases": cases, "alerts": [alert for case in cases for alert in case.alerts]}


def keeps(filters: Filters, row: Any) -> bool:
    is_case = filters.view == "cases"
    case, alerts = (row, row.alerts) if is_case else (row.case, [row])
    moment = row.last_at if is_case else row.occurred_at
    return (
        in_state(filters.state, row)
        and (filters.assignee is None or case.assignee == (ME.name if filters.assignee == "mine" else None))
        and (filters.run is None or any(alert.run_id == filters.run for alert in alerts))
        and row.risk >= filters.min_risk
        and any(filters.text.strip().lower() in alert.name.lower() for alert in alerts)
        and (filters.since is None or (moment is not None and moment >= datetime.combine(filters.since, time.min)))
        and (filters.until is None or (moment is not None and moment.date() <= filters.until))
    )


def in_state(state: str | None, row: Any) -> bool:
    shown = row.alerts_shown > 0 if isinstance(row, Case) else row.suppression_id is None
    if state == "suppressed" or not shown:
        return not shown and state == "suppressed"
    if isinstance(row, Case):
        return state is None or state in (row.state, row.verdict) or (state == "open" and row.state != "closed")
    return state is None or state == (row.verdict or "open")


def in_order(filters: Filters, rows: list[Any]) -> list[Any]:
    of_case = {"risk": "risk", "amount": "amount", "newest": "last_at", "oldest": "opened_at"}
    of_alert = {**of_case, "newest": "occurred_at", "oldest": "occurred_at"}
    column = (of_case if filters.view == "cases" else of_alert)[filters.order]
    kept = [row for row in rows if keeps(filters, row)]
    with_value = [row for row in kept if getattr(row, column) is not None]
    falling = filters.order != "oldest"
    parts = (sorted(with_value, key=lambda row: (getattr(row, column), row.id), reverse=falling),
             sorted((row for row in kept if row not in with_value), key=lambda row: row.id, reverse=falling))
    return [row.id for part in parts for row in part]


def listed(store: AlertStore, filters: Filters, page_size: int = queries.PAGE_SIZE) -> list[Any]:
    read, ids = queries.cases if filters.view == "cases" else queries.alerts, []
    for page in range(1, 1_000):
        lines = read(store.engine, ME, filters, page, page_size)
        if not lines:
            return ids
        ids += [line.id for line in lines]
    raise AssertionError("the list never ended")


@READS_ONLY
@given(filters=FILTERS)
def test_pages_joined_are_the_filtered_and_sorted_rows(
    worked: AlertStore, rows: dict[str, list[Any]], filters: Filters
) -> None:
    assert listed(worked, filters) == in_order(filters, rows[filters.view])


@READS_ONLY
@given(filters=FILTERS)
def test_counts_are_those_of_each_state_with_the_other_filters_kept(
    worked: AlertStore, rows: dict[str, list[Any]], filters: Filters
) -> None:
    expected = {state: len(in_order(replace(filters, state=state), rows[filters.view]))
                for state in [None, *STATES[filters.view]]}
    assert queries.counts(worked.engine, ME, filters) == expected


@READS_ONLY
@given(filters=FILTERS, pick=st.integers(0, 10_000))
def test_place_is_the_position_in_the_whole_list(
    worked: AlertStore, rows: dict[str, list[Any]], filters: Filters, pick: int
) -> None:
    ids = in_order(filters, rows[filters.view])
    if not ids:
        return
    at = pick % len(ids)
    assert queries.place(worked.engine, ME, filters, ids[at]) == queries.Place(
        at + 1, ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None
    )


def test_the_made_up_store_has_rows_in_every_state(worked: AlertStore) -> None:
    for view in VIEWS:
        counts = queries.counts(worked.engine, ME, Filters(view=view))
        assert all(counts.values()) or counts == {**counts, "suppressed": 0}
    assert queries.counts(worked.engine, ME, Filters(view="alerts"))["suppressed"] > 0


def test_a_case_is_listed_for_its_riskiest_alert_that_is_shown(worked: AlertStore, rows: dict[str, list[Any]]) -> None:
    lines = {line.id: line for line in queries.cases(worked.engine, ME, Filters(view="cases"), page_size=10_000)}
    assert lines
    for case in rows["cases"]:
        shown = [alert for alert in case.alerts if alert.suppression_id is None]
        if shown:
            riskiest = max(shown, key=lambda alert: (alert.risk, alert.id))
            line = lines[case.id].riskiest
            assert line is not None
            assert (line.id, line.version) == (riskiest.id, case.version)


def test_next_is_found_from_a_row_that_its_verdict_took_out_of_the_filters(small: AlertStore) -> None:
    for view, read in (("alerts", queries.alerts), ("cases", queries.cases)):
        filters = Filters(view=view, state="open")
        first, second = read(small.engine, ME, filters)[:2]
        everything = queries.alerts(small.engine, ME, Filters(), page_size=1_000)
        alerts = [line.id for line in everything if first.id in (line.id, line.case_id)]
        small.decide(alerts, "fraud", author="m.keller")
        assert queries.place(small.engine, ME, filters, first.id).next == second.id


def test_a_verdict_stands_in_the_counts(small: AlertStore) -> None:
    line = queries.alerts(small.engine, ME, Filters(state="open"))[0]
    before = queries.state_counts(small.engine, Filters())
    small.add_verdict(line.id, "unsure", author="m.keller")
    small.add_verdict(line.id, "fraud", author="a.okafor")
    after = queries.state_counts(small.engine, Filters())
    assert after == replace(before, open=before.open - 1, fraud=before.fraud + 1)


def test_precision_counts_decided_alerts_only() -> None:
    assert queries.StateCounts(open=5, fraud=3, legitimate=1, unsure=9).precision == 0.75
    assert queries.StateCounts(open=5, unsure=2).precision is None


def test_unknown_run_is_none(believable: AlertStore) -> None:
    assert queries.run(believable.engine, "no such run") is None


def test_runs_are_listed_newest_first(believable: AlertStore) -> None:
    assert [run.id for run in queries.runs(believable.engine)] == ["run-newest", "run-older"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("state", [None, "open"])
def test_a_page_of_the_queue_is_picked_from_an_index_in_order(
    believable: AlertStore, view: Any, order: str, state: str | None
) -> None:
    plan = plan_of(believable, queries.picked_ids(ME, Filters(view=view, state=state, order=order), 3, 50))
    assert "COVERING INDEX" in plan[0], plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("filters", [
    Filters(min_risk=50.0), Filters(text="C-4"), Filters(run="run-newest"), Filters(assignee="mine"),
    Filters(since=date(2018, 8, 9)),
])
def test_filters_are_answered_from_indexes_without_reading_records(
    believable: AlertStore, view: Any, filters: Filters
) -> None:
    plan = plan_of(believable, queries.picked_ids(ME, replace(filters, view=view), 1, 50))
    read = [step for step in plan if step.startswith(("SCAN", "SEARCH"))]
    assert all("COVERING INDEX" in step or "PRIMARY KEY" in step for step in read), plan


def plan_of(store: AlertStore, query: Any) -> list[str]:
    with store.engine.connect() as connection:
        sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        return [row[-1] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql.replace(':', chr(92) + ':')}"))]
