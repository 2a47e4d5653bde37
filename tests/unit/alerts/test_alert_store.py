"""Runs, alerts and verdicts in the store, on every kind of database that there is here."""

from __future__ import annotations

import weakref
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_rows import NOW, a_run, alerts, an_alert
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import anomaly_cl.alerts.importing as importing
from anomaly_cl.alerts.models import Alert, Run, Verdict
from anomaly_cl.alerts.store import AddedRun, AlertStore, alert_id, entity_text, open_store, run_id
from anomaly_cl.errors import InputError, UsageError


def count(store: AlertStore, table: type) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def everything(store: AlertStore) -> list[list[tuple]]:
    with store.engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(select(table.__table__).order_by(table.id))]
                for table in (Run, Alert, Verdict)]


def test_what_was_added_is_read_back(store):
    run = a_run()
    assert store.add_run(run, [an_alert(run, 7)]) == AddedRun(run.id, added=1, already_known=0)
    with Session(store.engine) as session:
        stored = session.get_one(Alert, alert_id("model", "TX-7", "file", 7))
        given = an_alert(run, 7)
        for column in set(Alert.__table__.columns.keys()) - {"run_id", "case_id"}:
            assert getattr(stored, column) == getattr(given, column)
        assert stored.run.summary == run.summary
        assert stored.run.rows_scored == 990


def test_the_same_run_again_adds_nothing(store):
    run = a_run()
    store.add_run(run, alerts(run, 1, 2, 3))
    store.add_verdict(alert_id("model", "TX-2", "file", 2), "fraud", author="ann")
    before = everything(store)
    again = a_run(created_at=NOW + timedelta(days=1), rows_in=5)
    assert store.add_run(again, [an_alert(again, row, risk=1.0) for row in (1, 2, 3)]) == AddedRun(run.id, 0, 3)
    assert everything(store) == before


def test_another_policy_adds_a_run_and_only_the_alerts_that_are_new(store):
    strict, loose = a_run("alpha=0.001"), a_run("alpha=0.01")
    store.add_run(strict, alerts(strict, 1, 2))
    assert store.add_run(loose, alerts(loose, 1, 2, 3)) == AddedRun(loose.id, added=1, already_known=2)
    assert count(store, Run) == 2
    with Session(store.engine) as session:
        assert {alert.key: alert.run.policy for alert in session.scalars(select(Alert))} == {
            "TX-1": "alpha=0.001", "TX-2": "alpha=0.001", "TX-3": "alpha=0.01"}


def test_an_alert_given_twice_in_one_run_is_added_once(store, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    run = a_run()
    assert store.add_run(run, alerts(run, 1, 1, 2, 1, 2)) == AddedRun(run.id, added=2, already_known=3)


def test_a_run_without_alerts_is_a_run(store):
    run = a_run()
    assert store.add_run(run, []) == AddedRun(run.id, 0, 0)
    assert count(store, Run) == 1


def test_a_failure_midway_leaves_nothing_and_the_store_usable(store, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    run = a_run()

    def failing():
        yield from alerts(run, 1, 2, 3, 4, 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.add_run(run, failing())
    assert everything(store) == [[], [], []]
    assert store.add_run(run, alerts(run, 1, 2, 3, 4, 5)).added == 5


def test_an_incomplete_alert_is_refused_and_leaves_nothing(store):
    run = a_run()
    with pytest.raises(InputError, match="must be complete"):
        store.add_run(run, [an_alert(run, 1), an_alert(run, 2, name=None)])
    with pytest.raises(InputError, match="must be complete"):
        store.add_run(a_run(policy=None, id="x"), alerts(run, 1))
    assert everything(store) == [[], [], []]


def test_few_alerts_are_held_at_a_time(store, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 100)
    run, alive, most = a_run(), weakref.WeakSet(), 0

    def watched():
        nonlocal most
        for alert in alerts(run, *range(2_000)):
            alive.add(alert)
            most = max(most, len(alive))
            yield alert

    assert store.add_run(run, watched()).added == 2_000
    assert most <= 200


def test_others_read_and_decide_while_alerts_are_computed(store, url):
    earlier, run = a_run("alpha=0.001"), a_run()
    store.add_run(earlier, alerts(earlier, 1))

    def slow():
        yield from alerts(run, *range(2, 3_000))
        with open_store(url) as other:
            assert count(other, Alert) == 1
            other.add_verdict(alert_id("model", "TX-1", "file", 1), "fraud", author="ann")
        yield an_alert(run, 3_000)

    assert store.add_run(run, slow()).added == 2_999
    assert [verdict.verdict for verdict in store.verdicts()] == ["fraud"]


def test_a_new_alert_is_undecided_and_belongs_to_its_run(store):
    run = a_run()
    given = an_alert(run, 1, verdict="fraud", run_id="another")
    store.add_run(run, [given])
    with Session(store.engine) as session:
        stored = session.get_one(Alert, given.id)
        assert (stored.verdict, stored.run_id) == (None, run.id)
    assert (given.verdict, given.run_id) == ("fraud", "another")


def test_values_of_numpy_and_of_records_are_stored_as_what_they_mean(store):
    run = a_run(rows_in=np.int64(7_000_000_000))
    record = {"amount": Decimal("4310.25"), "rate": np.float32("nan"), "when": date(2018, 8, 8), "raw": b"\x00\xff",
              "n": np.int64(3), "limit": np.inf, "none": None, "text": "\x00 ü"}
    store.add_run(run, [an_alert(run, np.int64(1), score=np.float32(2.5), record=record)])
    with Session(store.engine) as session:
        alert = session.scalars(select(Alert).where(Alert.row_number == 1)).one()
        assert alert.score == 2.5
        assert alert.run.rows_in == 7_000_000_000
        assert alert.record == {"amount": 4310.25, "rate": None, "when": "2018-08-08", "raw": "00ff", "n": 3,
                                "limit": "Infinity", "none": None, "text": "\x00 ü"}


@pytest.mark.parametrize(("given_time", "stored"), [
    (datetime(2018, 8, 8, 3, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2018, 8, 8, 1, 12)),
    (datetime(2018, 8, 8, 3, 12, tzinfo=UTC), datetime(2018, 8, 8, 3, 12)),
    (datetime(2018, 8, 8, 3, 12), datetime(2018, 8, 8, 3, 12)),
    (date(2018, 8, 8), datetime(2018, 8, 8)),
    (None, None),
])
def test_times_are_stored_as_naive_utc(store, given_time, stored):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, occurred_at=given_time)])
    with store.engine.connect() as connection:
        assert connection.scalar(select(Alert.occurred_at)) == stored


def test_the_newest_verdict_stands_and_the_history_keeps_all(store):
    run = a_run()
    store.add_run(run, alerts(run, 1, 2, 3))
    first, second = alert_id("model", "TX-1", "file", 1), alert_id("model", "TX-2", "file", 2)
    ids = [
        store.add_verdict(first, "unsure", author="ann"),
        store.add_verdict(second, "legitimate", author="bob", note="called"),
        store.add_verdict(first, "fraud", author="bob", note="<b>card</b> stolen"),
    ]
    assert ids == sorted(set(ids))
    with Session(store.engine) as session:
        alert = session.get_one(Alert, first)
        assert alert.verdict == "fraud"
        assert [(v.id, v.verdict, v.author, v.note) for v in alert.verdicts] == [
            (ids[0], "unsure", "ann", ""), (ids[2], "fraud", "bob", "<b>card</b> stolen")]
    standing = list(store.verdicts())
    assert [(v.key, v.row_number, v.input_hash, v.model_id, v.verdict) for v in standing] == [
        ("TX-2", 2, "file", "model", "legitimate"), ("TX-1", 1, "file", "model", "fraud")]
    assert abs(standing[0].created_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(hours=1)


@pytest.mark.parametrize(("alert", "verdict", "author", "rule"), [
    ("known", "Fraud", "ann", "a verdict must be one of"),
    ("known", None, "ann", "a verdict must be one of"),
    ("known", "fraud", " ", "a verdict must have an author"),
    ("unknown", "fraud", "ann", "a verdict must be about an alert of the store"),
])
def test_a_verdict_that_cannot_be_meant_is_refused(store, alert, verdict, author, rule):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="known")])
    with pytest.raises(UsageError, match=rule):
        store.add_verdict(alert, verdict, author=author)
    assert list(store.verdicts()) == []
    with Session(store.engine) as session:
        assert session.get_one(Alert, "known").verdict is None


@pytest.mark.parametrize("statement", [
    "UPDATE verdicts SET verdict = 'legitimate'",
    "UPDATE verdicts SET note = note",
    "DELETE FROM verdicts",
    "TRUNCATE verdicts",
    "INSERT OR REPLACE INTO verdicts (id, alert_id, verdict, note, author, created_at) "
    "SELECT id, alert_id, 'unsure', note, author, created_at FROM verdicts",
])
def test_the_database_itself_refuses_to_change_a_verdict(store, statement):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="known")])
    store.add_verdict("known", "fraud", author="ann")
    before = everything(store)
    foreign = {"TRUNCATE": "sqlite", "INSERT": "postgresql"}.get(statement.split()[0]) == store.engine.dialect.name
    with pytest.raises(DBAPIError, match="syntax error" if foreign else "never changed or deleted"), \
            store.engine.begin() as connection:
        connection.execute(text(statement))
    assert everything(store) == before


def test_an_alert_with_verdicts_or_a_run_with_alerts_cannot_be_deleted(store):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="known")])
    store.add_verdict("known", "fraud", author="ann")
    for table in ("alerts", "runs"):
        with pytest.raises(DBAPIError, match=r"(?i)foreign key"), store.engine.begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))


def test_what_a_closed_store_held_is_there_when_it_is_opened_again(store, url):
    run = a_run()
    store.add_run(run, alerts(run, 1, 2))
    before = everything(store)
    store.close()
    with open_store(url) as again:
        assert everything(again) == before


def test_ids_depend_on_all_that_they_name():
    assert run_id("m", "i", "w", "p") == run_id("m", "i", "w", "p")
    parts = [("m", "i", "w", "p"), ("n", "i", "w", "p"), ("m", "j", "w", "p"), ("m", "i", "", "p"),
             ("m", "i", "w", "q"), ("mi", "", "w", "p"), ("m", "i", "wp", "")]
    assert len({run_id(*names) for names in parts}) == len(parts)
    named = [("m", "k", "i", 1), ("n", "k", "i", 1), ("m", "", "i", 1), ("m", None, "i", 1), ("m", None, "j", 1),
             ("m", None, "i", 2), ("n", None, "i", 1)]
    assert len({alert_id(*names) for names in named}) == len(named)
    assert alert_id("m", "k", "i", 1) == alert_id("m", "k", "j", 2)
    assert alert_id("m", None, "i", np.int64(1)) == alert_id("m", None, "i", 1)


def test_long_names_of_entities_are_cut_and_stay_different():
    names = ["x" * length for length in (499, 500, 501, 5_000)] + ["x" * 5_000 + "y", "ü" * 600, "x" * 499 + "y"]
    cut = [entity_text(name) for name in names]
    assert cut[0] == names[0]
    assert len({*names, *cut}) == 2 * len(names) - 1
    assert {len(text) for text in cut} == {499, 500}
    assert entity_text(cut[2]) != cut[2]  # a name that looks like a cut one is another
    assert [entity_text(None), entity_text(7), entity_text(np.int64(7))] == [None, "7", "7"]


@given(st.lists(st.text(), min_size=4, max_size=4), st.lists(st.text(), min_size=4, max_size=4))
def test_run_ids_are_equal_only_for_equal_runs(one, other):
    assert (run_id(*one) == run_id(*other)) == (one == other)
    assert len(run_id(*one)) == 64
