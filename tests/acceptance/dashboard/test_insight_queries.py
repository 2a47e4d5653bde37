"""What the overview, the map, the series and the model page read, against the same counted slowly in Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import insight_queries
import pytest
import series_queries
from access import Actor
from masking import MASK
from sqlalchemy import select
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Case, Run, Signal, StoredModel, Verdict
from anomaly_cl.alerts.store import AlertStore, open_store
from tests.acceptance.dashboard.believable import fill
from tests.acceptance.dashboard.believable_insight import (
    CHANNELS,
    DRIFT,
    FAULTS,
    MODEL,
    SERIES_MODEL,
    SERIES_RUN,
    enrich,
    fill_series,
)

VIEWER, ANALYST = Actor("v@example.org"), Actor("m.keller", "analyst", True)
PUMP_4 = "pump <b>4</b>"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A filled store with maps, series and models, in which something is assigned and suppressed."""
    from tests.databases import new_database

    url = (str(tmp_path_factory.mktemp("insight") / "alerts.sqlite") if request.param == "sqlite"
           else new_database(request.getfixturevalue("server")))
    with open_store(url) as opened:
        fill(opened, scored=4_000, decided=25)
        enrich(opened)
        fill_series(opened)
        with Session(opened.engine) as session:
            ids = session.execute(select(Case.id, Case.version).where(Case.state == "new").limit(5)).all()
        for number, (case_id, version) in enumerate(ids):
            opened.assign(case_id, "m.keller" if number < 3 else "someone", author="ann", version=version)
        opened.suppress("country", "BY", until=datetime.now(UTC) + timedelta(days=1), author="ann")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        ended = opened.suppress("merchant", "Lucky Spin Club", until=tomorrow, author="ann")
        opened.lift(ended, author="ann")
        yield opened


def everything(store: AlertStore) -> tuple[list[Alert], list[Case]]:
    with Session(store.engine, expire_on_commit=False) as session:
        return list(session.scalars(select(Alert))), list(session.scalars(select(Case)))


def test_workload_counts_what_waits(store: AlertStore) -> None:
    alerts, cases = everything(store)
    open_cases = [case for case in cases if case.state != "closed" and case.alerts_shown]
    found = insight_queries.workload(store.engine, ANALYST)
    assert found.open_cases == len(open_cases) > 0
    assert found.mine == sum(case.assignee == "m.keller" for case in open_cases) > 0
    assert found.unassigned == sum(case.assignee is None for case in open_cases)
    assert found.suppressed == sum(alert.suppression_id is not None for alert in alerts) > 0
    assert found.suppressions == 1


def test_verdicts_of_a_run_are_counted_by_day(store: AlertStore) -> None:
    with Session(store.engine) as session:
        given = session.execute(select(Verdict.verdict, Verdict.created_at).join(Verdict.alert)
                                .where(Alert.run_id == "run-newest")).all()
    expected = Counter((str(at.date()), verdict) for verdict, at in given)
    found = insight_queries.verdicts_a_day(store.engine, "run-newest")
    assert {(day, verdict): number for day, counts in found for verdict, number in counts.items() if number} == expected
    assert [day for day, _ in found] == sorted(day for day, _ in found)
    assert insight_queries.verdicts_a_day(store.engine, "run-older") == []


def test_an_interval_of_precision_covers_the_share_and_shrinks() -> None:
    wide, narrow = insight_queries.wilson(7, 10), insight_queries.wilson(700, 1_000)
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < 0.7 < narrow[1] < wide[1]
    assert insight_queries.wilson(0, 0) is None
    nothing, everything_ = insight_queries.wilson(0, 5), insight_queries.wilson(5, 5)
    assert nothing is not None
    assert everything_ is not None
    assert nothing[0] == 0.0 < nothing[1]
    assert everything_[0] < everything_[1] == 1.0


def test_the_map_holds_the_riskiest_alerts_that_are_shown(store: AlertStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight_queries, "MOST_POINTS", 30)
    alerts, _ = everything(store)
    shown = [alert for alert in alerts if alert.run_id == "run-newest" and alert.suppression_id is None]
    expected = sorted(shown, key=lambda alert: (-alert.risk, alert.id))[:30]
    found = insight_queries.map_points(store.engine, "run-newest")
    assert len(found) == 30
    assert min(point.risk for point in found) == expected[-1].risk
    assert {(point.id, point.x, point.y, point.verdict) for point in found if point.risk > expected[-1].risk} == {
        (alert.id, alert.map_x, alert.map_y, alert.verdict) for alert in expected if alert.risk > expected[-1].risk}
    assert insight_queries.mapped_runs(store.engine) == {"run-newest"}


def test_a_box_on_the_map_lists_what_lies_in_it(store: AlertStore) -> None:
    points = insight_queries.map_points(store.engine, "run-newest")
    inside = {point.id for point in points if -1 <= point.x <= 2 and 0 <= point.y <= 4}
    lines, number = insight_queries.alerts_within(store.engine, ANALYST, "run-newest", (-1, 0), (2, 4))
    assert {line.id for line in lines} == inside
    assert number == len(inside) > 0
    assert [line.risk for line in lines] == sorted((line.risk for line in lines), reverse=True)


def test_models_come_with_their_runs_and_facts(store: AlertStore) -> None:
    assert [(line.id, line.runs, line.kept) for line in insight_queries.models(store.engine)] == [
        (MODEL, 2, True), (SERIES_MODEL, 1, False)]
    model = insight_queries.model(store.engine, ANALYST, MODEL)
    assert model is not None
    assert [run.id for run in model.runs] == ["run-newest", "run-older"]
    assert model.facts["typical"]["amount"] == 52.3
    assert model.newest_drift == DRIFT
    without = insight_queries.model(store.engine, ANALYST, SERIES_MODEL)
    assert without is not None
    assert (without.facts, without.newest_drift) == ({}, None)
    assert insight_queries.model(store.engine, ANALYST, "none") is None


def test_series_are_numbered_by_name_with_their_spans(store: AlertStore) -> None:
    found = series_queries.series_of(store.engine, ANALYST, SERIES_RUN)
    assert {line.name: line.spans for line in found} == {name: len(faults) for name, faults in FAULTS.items()}
    assert [line.number for line in found] == [1, 2]
    assert series_queries.runs_with_series(store.engine) == {SERIES_RUN}
    for line in found:
        spans = series_queries.spans(store.engine, ANALYST, SERIES_RUN, line.number)
        assert [span.start for span in spans] == sorted(span.start for span in spans if span.start)
        assert len(spans) == line.spans
        for span in spans:
            assert series_queries.number_of(store.engine, span.id) == (SERIES_RUN, line.number)
        points = series_queries.signal(store.engine, ANALYST, SERIES_RUN, line.number)
        with Session(store.engine) as session:
            assert points == session.get_one(Signal, (SERIES_RUN, line.name)).points


def test_a_span_comes_with_its_steps_and_the_version_of_its_case(store: AlertStore) -> None:
    alerts, cases = everything(store)
    alert = next(alert for alert in alerts if alert.run_id == SERIES_RUN)
    found = series_queries.span(store.engine, ANALYST, alert.id)
    assert found is not None
    assert found.signal == alert.signal
    assert found.steps == alert.record["span steps"]
    assert found.version == next(case.version for case in cases if case.id == alert.case_id)
    assert found.start == datetime.fromisoformat(alert.record["span start"])
    assert series_queries.span(store.engine, ANALYST, "none") is None
    of_a_table = next(alert for alert in alerts if alert.run_id == "run-newest")
    assert series_queries.number_of(store.engine, of_a_table.id) is None


@pytest.fixture
def private(store: AlertStore) -> Iterator[AlertStore]:
    """The same, while some columns of its runs are private."""
    columns = {"run-newest": ["customer", "amount"], SERIES_RUN: ["pump", "flow"]}
    with Session(store.engine) as session, session.begin():
        for run_id, names in columns.items():
            session.get_one(Run, run_id).private = names
    yield store
    with Session(store.engine) as session, session.begin():
        for run_id in columns:
            session.get_one(Run, run_id).private = []


def test_a_viewer_is_told_no_private_value_by_the_map_and_the_model(private: AlertStore) -> None:
    lines, _ = insight_queries.alerts_within(private.engine, VIEWER, "run-newest", (-9, -9), (9, 9))
    model = insight_queries.model(private.engine, VIEWER, MODEL)
    assert model is not None
    told = json.dumps([vars(line) for line in lines], default=str)
    assert "C-4" not in told
    assert all(line.amount is None for line in lines)
    assert all(reason["value"] == MASK for line in lines for reason in line.reasons if reason["column"] == "amount")
    assert model.facts["typical"]["amount"] == MASK
    assert model.facts["typical"]["merchant"] == "Corner Grocery"
    seen, _ = insight_queries.alerts_within(private.engine, ANALYST, "run-newest", (-9, -9), (9, 9))
    assert "C-4" in json.dumps([vars(line) for line in seen], default=str)


def test_a_viewer_is_told_no_private_entity_or_channel_by_the_series(private: AlertStore) -> None:
    lines = series_queries.series_of(private.engine, VIEWER, SERIES_RUN)
    assert [line.name for line in lines] == [MASK, MASK]
    points = series_queries.signal(private.engine, VIEWER, SERIES_RUN, 1)
    assert points is not None
    assert set(points["channels"]) == set(CHANNELS) - {"flow"}
    for line in lines:
        for span in series_queries.spans(private.engine, VIEWER, SERIES_RUN, line.number):
            details = series_queries.span(private.engine, VIEWER, span.id)
            assert details is not None
            assert "flow" not in (details.signal or {})["channels"]
            told = json.dumps(vars(details), default=str)
            assert "pump" not in told
            assert all(reason["value"] == MASK for reason in details.reasons if reason["column"] == "flow")


def test_facts_are_kept_as_they_were_given(store: AlertStore) -> None:
    with Session(store.engine) as session:
        assert session.get_one(StoredModel, MODEL).facts["kind"] == "tabular"
