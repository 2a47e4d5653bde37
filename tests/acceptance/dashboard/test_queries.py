"""The questions to the store, against the same questions answered row by row in Python."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time

import pytest
import queries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queries import Filters
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert
from anomaly_cl.alerts.store import AlertStore

FILTERS = st.builds(
    Filters,
    run=st.sampled_from([None, "run-newest", "run-older"]),
    state=st.sampled_from([None, *queries.STATES]),
    min_risk=st.sampled_from([0.0, 18.5, 40.0, 99.0]),
    text=st.sampled_from(["", "c-4", "T-12", "tx-170", "%", "_", " C-5 ", "nothing"]),
    since=st.sampled_from([None, date(2018, 8, 9), date(2018, 8, 12)]),
    until=st.sampled_from([None, date(2018, 8, 11), date(2018, 8, 14)]),
    order=st.sampled_from(queries.ORDERS),
)
READS_ONLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def keeps(filters: Filters, alert: Alert) -> bool:
    moment = alert.occurred_at
    return (
        (filters.run is None or alert.run_id == filters.run)
        and (filters.state is None or (alert.verdict or "open") == filters.state)
        and alert.risk >= filters.min_risk
        and filters.text.strip().lower() in alert.name.lower()
        and (filters.since is None or (moment is not None and moment >= datetime.combine(filters.since, time.min)))
        and (filters.until is None or (moment is not None and moment.date() <= filters.until))
    )


def in_order(filters: Filters, alerts: list[Alert]) -> list[str]:
    def place(alert: Alert) -> tuple[bool, object, str]:
        value = alert.risk if filters.order == "risk" else alert.occurred_at
        return value is not None, value or 0, alert.id

    return [alert.id for alert in sorted(filter(lambda one: keeps(filters, one), alerts), key=place, reverse=True)]


def listed(store: AlertStore, filters: Filters, page_size: int = queries.PAGE_SIZE) -> list[str]:
    ids: list[str] = []
    for page in range(1, 1_000):
        lines = queries.alerts(store.engine, filters, page, page_size)
        if not lines:
            return ids
        ids += [line.id for line in lines]
    raise AssertionError("the list never ended")


@READS_ONLY
@given(filters=FILTERS)
def test_pages_joined_are_the_filtered_and_sorted_alerts(
    believable: AlertStore, all_alerts: list[Alert], filters: Filters
) -> None:
    assert listed(believable, filters) == in_order(filters, all_alerts)


@READS_ONLY
@given(filters=FILTERS)
def test_state_counts_add_up_to_the_filtered_alerts(
    believable: AlertStore, all_alerts: list[Alert], filters: Filters
) -> None:
    counts = queries.state_counts(believable.engine, filters)
    assert counts.total == len(in_order(filters, all_alerts))
    if filters.state is not None:
        assert getattr(counts, filters.state) == counts.total


@READS_ONLY
@given(filters=FILTERS, pick=st.integers(0, 10_000))
def test_place_is_the_position_in_the_whole_list(
    believable: AlertStore, all_alerts: list[Alert], filters: Filters, pick: int
) -> None:
    ids = in_order(filters, all_alerts)
    if not ids:
        return
    at = pick % len(ids)
    line = queries.alert(believable.engine, ids[at])
    assert line is not None
    assert queries.place(believable.engine, filters, line) == queries.Place(
        at + 1, ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None
    )


@pytest.mark.parametrize("order", queries.ORDERS)
def test_records_without_a_time_come_last_and_are_walked_through_once(small: AlertStore, order: str) -> None:
    with Session(small.engine) as session, session.begin():
        alerts = session.scalars(select(Alert).order_by(Alert.id)).all()
        for alert in alerts[::3]:
            alert.occurred_at = None
        for alert in alerts[::2]:
            alert.risk = 25.0  # ties
    with Session(small.engine) as session:
        expected = in_order(Filters(order=order), list(session.scalars(select(Alert))))
    walked, here = [], expected[0]
    while True:
        walked.append(here)
        line = queries.alert(small.engine, here)
        assert line is not None
        place = queries.place(small.engine, Filters(order=order), line)
        assert place.position == len(walked)
        assert place.previous == (walked[-2] if len(walked) > 1 else None)
        if place.next is None:
            break
        here = place.next
    assert walked == expected


def test_next_alert_is_found_from_an_alert_that_its_verdict_took_out_of_the_filters(small: AlertStore) -> None:
    filters = Filters(state="open")
    first, second = queries.alerts(small.engine, filters)[:2]
    queries.give_verdict(small, first.id, "fraud", "m.keller", "")
    assert queries.place(small.engine, filters, first).next == second.id


def test_a_verdict_stands_in_history_and_counts(small: AlertStore) -> None:
    line = queries.alerts(small.engine, Filters(state="open"))[0]
    before = queries.state_counts(small.engine, Filters())
    queries.give_verdict(small, line.id, "unsure", "m.keller", "called twice")
    queries.give_verdict(small, line.id, "fraud", "a.okafor", "card blocked")
    after = queries.state_counts(small.engine, Filters())
    assert after == replace(before, open=before.open - 1, fraud=before.fraud + 1)
    history = [(given.verdict, given.author, given.note) for given in queries.verdicts(small.engine, line.id)]
    assert history == [("fraud", "a.okafor", "card blocked"), ("unsure", "m.keller", "called twice")]


def test_precision_counts_decided_alerts_only() -> None:
    assert queries.StateCounts(open=5, fraud=3, legitimate=1, unsure=9).precision == 0.75
    assert queries.StateCounts(open=5, unsure=2).precision is None


def test_unknown_alert_and_run_are_none(believable: AlertStore) -> None:
    assert queries.alert(believable.engine, "no such alert") is None
    assert queries.run(believable.engine, "no such run") is None


def test_runs_are_listed_newest_first(believable: AlertStore) -> None:
    assert [run.id for run in queries.runs(believable.engine)] == ["run-newest", "run-older"]


@pytest.mark.parametrize("filters", [Filters(), Filters(order="newest"), Filters(min_risk=50.0)])
def test_a_page_of_the_queue_is_picked_from_an_index(believable: AlertStore, filters: Filters) -> None:
    seen: list[str] = []
    with believable.engine.connect() as connection:
        query = queries.picked_ids(filters, page=3, page_size=50)
        sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        seen = [row[-1] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
    assert "COVERING INDEX" in seen[0], seen
