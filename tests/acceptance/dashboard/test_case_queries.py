"""What the case page reads, against the same read row by row in Python, on both databases."""

from __future__ import annotations

from typing import Any

import case_queries
import queries
from access import Actor
from filters import Filters
from masking import MASK
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Case, CaseEvent, EntityPast, Run, Verdict
from anomaly_cl.alerts.store import AlertStore

ME = Actor("m.keller", "analyst", sees_private=True)
VIEWER = Actor("v.young", "viewer")


def biggest(store: AlertStore) -> Case:
    """The case with the most alerts."""
    with Session(store.engine) as session:
        case = max(session.scalars(select(Case)), key=lambda case: (len(case.alerts), case.id))
        assert len(case.alerts) > 1
        session.expunge_all()
        return case


def details(store: AlertStore, alert_id: str, actor: Actor = ME) -> case_queries.AlertDetails:
    alert = case_queries.alert(store.engine, actor, alert_id)
    assert alert is not None
    return alert


def test_unknown_cases_and_alerts_are_none(worked: AlertStore) -> None:
    assert case_queries.case(worked.engine, ME, 10**9) is None
    assert case_queries.case_of(worked.engine, "no such alert") is None
    assert case_queries.alert(worked.engine, ME, "no such alert") is None


def test_an_alert_finds_its_case_and_the_case_its_alerts(worked: AlertStore) -> None:
    case = biggest(worked)
    lines = case_queries.alerts_of_case(worked.engine, ME, case.id)
    with Session(worked.engine) as session:
        mine = session.scalars(select(Alert).where(Alert.case_id == case.id)).all()
        expected = sorted(mine, key=lambda alert: (alert.suppression_id is None, alert.risk, alert.id), reverse=True)
        assert [line.id for line in lines] == [alert.id for alert in expected]
        assert sorted(case_queries.open_alerts(worked.engine, [case.id])) == sorted(
            alert.id for alert in mine if alert.verdict is None and alert.suppression_id is None)
    assert {case_queries.case_of(worked.engine, line.id) for line in lines} == {case.id}


def test_history_holds_verdicts_and_events_newest_first(worked: AlertStore) -> None:
    with Session(worked.engine) as session:
        for case in session.scalars(select(Case).order_by(Case.id)).all()[:12]:
            ids = {alert.id: alert.key for alert in case.alerts}
            given = [("verdict", one.verdict, one.note, one.author, one.created_at, ids[one.alert_id])
                     for one in session.scalars(select(Verdict).where(Verdict.alert_id.in_(ids)))]
            happened = [(one.kind, one.value, one.note, one.author, one.created_at, None)
                        for one in session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id))]
            lines = case_queries.history(worked.engine, ME, case.id)
            told = [(line.kind, line.value, line.note, line.author, line.created_at, line.alert) for line in lines]
            assert sorted(told, key=str) == sorted(given + happened, key=str)
            assert [line.created_at for line in lines] == sorted((one[4] for one in given + happened), reverse=True)


def test_the_past_joins_what_several_runs_read_once_each(small: AlertStore) -> None:
    line = queries.alerts(small.engine, ME, Filters())[0]
    alert = details(small, line.id)
    with Session(small.engine) as session, session.begin():
        first = session.get_one(EntityPast, ("run-newest", "customer", alert.entity))
        later = [{**first.records[-1], "risk": 1.0}, {"time": "2018-09-01T10:00:00", "key": "TX-9", "amount": 5.0,
                                                        "risk": 2.0, "alert": False}]
        session.add(Run(id="run-later", model_id="m", input_name="f", input_hash="h", where_clause="", policy="p",
                        rows_in=1, rows_scored=1, rows_rejected=0, alerts_raised=0, summary={},
                        created_at=first_created(session)))
        session.flush()
        session.add(EntityPast(run_id="run-later", entity_column="customer", entity=alert.entity, records=later,
                               similar=[{"entity": "C-1", "distance": 0.5, "records": 3}]))
        before = list(first.records)
    past = case_queries.past(small.engine, ME, alert)
    assert [record["key"] for record in past.records] == [record["key"] for record in before] + ["TX-9"]
    assert past.records[len(before) - 1]["risk"] == 1.0
    assert [one.entity for one in past.similar] == ["C-1"]


def first_created(session: Session) -> Any:
    from datetime import timedelta

    return session.get_one(Run, "run-newest").created_at + timedelta(days=1)


def test_similar_entities_are_counted_by_their_alerts_and_frauds(worked: AlertStore) -> None:
    with Session(worked.engine) as session:
        for alert_id in session.scalars(select(Alert.id).order_by(Alert.id).limit(10)):
            for one in case_queries.past(worked.engine, ME, details(worked, alert_id)).similar:
                theirs = select(Alert).where(Alert.entity_column == "customer", Alert.entity == one.entity)
                shown = session.scalars(theirs.where(Alert.suppression_id.is_(None))).all()
                assert (one.alerts, one.frauds) == (len(shown), sum(alert.verdict == "fraud" for alert in shown))


def test_similar_alerts_are_decided_strange_in_the_same_column_and_nearest_in_risk(worked: AlertStore) -> None:
    with Session(worked.engine) as session:
        alerts = session.scalars(select(Alert).order_by(Alert.id)).all()
        newest = {verdict.alert_id: verdict.id for verdict in session.scalars(select(Verdict).order_by(Verdict.id))}
        found = 0
        for alert in alerts[:15]:
            columns = [reason["column"] for reason in alert.reasons]
            like = [other for other in alerts if other.id in newest and other.id != alert.id
                    and other.reasons[0]["column"] == columns[0]]

            def rank(other: Alert, columns: list[str] = columns, risk: float = alert.risk) -> tuple[Any, ...]:
                second = [reason["column"] for reason in other.reasons][1:2]
                apart = len(columns) > 1 and second != columns[1:2]
                return apart, abs(other.risk - risk), -newest[other.id]

            expected = [other.id for other in sorted(like, key=rank)][: case_queries.SIMILAR_ALERTS]
            similar = case_queries.similar_alerts(worked.engine, ME, details(worked, alert.id))
            assert [line.id for line in similar] == expected
            found += len(expected)
    assert found


def test_all_cases_of_the_entity_give_their_shown_alerts_to_the_timeline(worked: AlertStore) -> None:
    case = biggest(worked)
    lines = case_queries.alerts_of_entity(worked.engine, ME, case.id)
    with Session(worked.engine) as session:
        shown = session.scalars(select(Alert.id).where(
            Alert.entity_column == "customer", Alert.entity == case.entity, Alert.suppression_id.is_(None)))
        assert {line.id for line in lines} == set(shown)


def test_suppressible_are_entities_and_categories_but_no_key_number_or_time(believable: AlertStore) -> None:
    line = queries.alerts(believable.engine, ME, Filters())[0]
    assert set(case_queries.suppressible(details(believable, line.id))) == {
        "customer", "terminal", "merchant", "category", "channel", "country"}


def test_who_may_not_see_private_columns_reads_masks_and_finds_nothing_by_them(small: AlertStore) -> None:
    with small.engine.begin() as connection:
        connection.execute(update(Run).values(private=["customer", "merchant", "amount"]))
    [line, *_] = queries.cases(small.engine, ME, Filters(view="cases"))
    [hidden, *_] = queries.cases(small.engine, VIEWER, Filters(view="cases"))
    assert (hidden.id, hidden.entity, hidden.amount, hidden.title) == (line.id, MASK, None, MASK)
    assert hidden.riskiest is not None
    assert line.riskiest is not None
    alert = details(small, line.riskiest.id, VIEWER)
    seen = details(small, line.riskiest.id)
    assert (alert.entity, alert.amount, alert.record["merchant"]) == (MASK, None, MASK)
    assert alert.record["country"] == seen.record["country"]
    everything = repr((hidden, alert, case_queries.past(small.engine, VIEWER, alert),
                       case_queries.history(small.engine, VIEWER, line.id),
                       case_queries.similar_alerts(small.engine, VIEWER, alert),
                       case_queries.alerts_of_entity(small.engine, VIEWER, line.id)))
    assert str(seen.entity) not in everything
    assert str(seen.record["merchant"]) not in everything
    assert "customer" not in case_queries.suppressible(alert)
    for view, read in (("cases", queries.cases), ("alerts", queries.alerts)):
        search = Filters(view=view, text=line.entity)  # type: ignore[arg-type]
        assert read(small.engine, ME, search)
        assert not read(small.engine, VIEWER, search)
