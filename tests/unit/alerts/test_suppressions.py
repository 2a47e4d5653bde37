"""Suppressions: what they hide, for how long, and that Python and both databases find the same values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from made_up_rows import NOW, a_run, an_alert, case_of, read_case
from sqlalchemy import select

from anomaly_cl.alerts.models import Alert, Suppression
from anomaly_cl.alerts.store import AlertStore, value_text
from anomaly_cl.alerts.suppressions import active
from anomaly_cl.errors import UsageError

WEEK = timedelta(days=7)


class Clock:
    """A time that only moves when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(store) -> Clock:
    store.clock = Clock()
    return store.clock


def add(store: AlertStore, *names: str, policy: str = "", **changed: Any) -> None:
    run = a_run(policy or " ".join(names))
    store.add_run(run, [an_alert(run, row, id=name, key=name, **changed) for row, name in enumerate(names)])


def hidden(store: AlertStore) -> dict[str, int]:
    with store.engine.connect() as connection:
        rows = connection.execute(select(Alert.id, Alert.suppression_id).where(Alert.suppression_id.is_not(None)))
        return {row.id: row.suppression_id for row in rows}


def test_open_alerts_are_hidden_and_decided_ones_stay(store, clock):
    add(store, "a", "b", "c", "d", record={"merchant": "M-1"})
    add(store, "e", record={"merchant": "M-2"})
    store.decide(["a"], "fraud", author="ann")
    store.decide(["b"], "unsure", author="ann")
    number = store.suppress("merchant", "M-1", until=NOW + WEEK, author="ann", reason="a known fault")
    assert hidden(store) == {"c": number, "d": number}
    case = read_case(store, 1)
    assert (case.alerts_shown, case.alerts_open, case.verdict) == (3, 1, "fraud")
    with store.engine.connect() as connection:
        told = connection.execute(select(Suppression.__table__)).one()
    assert tuple(told) == (number, "merchant", "M-1", NOW + WEEK, None, "a known fault", "ann", NOW)


def test_a_case_whose_alerts_are_all_hidden_shows_none(store, clock):
    add(store, "a", "b", amount=5.0)
    store.suppress("amount", 4310.25, until=NOW + WEEK, author="ann")
    case = read_case(store, 1)
    assert (case.state, case.alerts_shown, case.alerts_open, case.risk, case.amount, case.first_at, case.last_at) == (
        "new", 0, 0, 0.0, None, None, None)
    store.decide(["a"], "fraud", author="ann")
    assert (read_case(store, 1).state, read_case(store, 1).verdict) == ("in review", None)


def test_alerts_that_arrive_are_hidden_until_it_expires(store, clock):
    first = store.suppress("merchant", "M-1", until=NOW + WEEK, author="ann")
    clock.now = NOW + WEEK - timedelta(seconds=1)
    add(store, "a", record={"merchant": "M-1"})
    add(store, "b", record={"merchant": "M-2"})
    clock.now = NOW + WEEK
    add(store, "c", record={"merchant": "M-1"})
    assert hidden(store) == {"a": first}
    assert (read_case(store, 1).alerts_shown, read_case(store, 1).alerts_open) == (2, 2)


def test_lifting_brings_back_what_was_hidden_and_lets_new_ones_through(store, clock):
    add(store, "a", "b")
    number = store.suppress("customer", "C-1", until=NOW + WEEK, author="ann")
    assert set(hidden(store)) == {"a", "b"}
    store.lift(number, author="bob", reason="over")
    assert hidden(store) == {}
    assert read_case(store, 1).alerts_open == 2
    add(store, "c")
    assert hidden(store) == {}
    with store.engine.connect() as connection:
        rows = connection.execute(select(Suppression.lifts, Suppression.author, Suppression.reason).order_by(
            Suppression.id)).all()
    assert [tuple(row) for row in rows] == [(None, "ann", ""), (number, "bob", "over")]
    with pytest.raises(UsageError, match=f"lifted once; bob has lifted {number}"):
        store.lift(number, author="ann")
    with pytest.raises(UsageError, match="must be in the store"):
        store.lift(number + 1, author="ann")


def test_an_expired_one_can_be_lifted_too(store, clock):
    add(store, "a")
    number = store.suppress("customer", "C-1", until=NOW + WEEK, author="ann")
    clock.now += 2 * WEEK
    add(store, "b")
    assert hidden(store) == {"a": number}
    store.lift(number, author="ann")
    assert hidden(store) == {}


def test_what_another_active_one_is_about_stays_hidden_when_the_first_is_lifted(store, clock):
    add(store, "a", record={"merchant": "M-1", "country": "DE"})
    add(store, "b", record={"merchant": "M-1", "country": "FR"})
    first = store.suppress("merchant", "M-1", until=NOW + WEEK, author="ann")
    other = store.suppress("country", "DE", until=NOW + WEEK, author="ann")
    expiring = store.suppress("country", "FR", until=NOW + timedelta(days=1), author="ann")
    assert hidden(store) == {"a": first, "b": first}
    clock.now += timedelta(days=2)
    store.lift(first, author="ann")
    assert hidden(store) == {"a": other}
    store.lift(expiring, author="ann")
    assert hidden(store) == {"a": other}


def test_an_open_alert_that_comes_back_into_a_closed_case_is_seen_in_another(store, clock):
    add(store, "a", record={"merchant": "M-1"})
    add(store, "b", "c", record={"merchant": "M-2"})
    number = store.suppress("merchant", "M-1", until=NOW + WEEK, author="ann")
    store.decide(["b", "c"], "legitimate", author="ann")
    old = read_case(store, 1)
    assert (old.state, old.alerts_shown) == ("closed", 2)
    clock.now += timedelta(days=1)
    store.lift(number, author="ann")
    new = read_case(store, case_of(store, "a"))
    assert (new.state, new.alerts_shown, new.alerts_open, new.entity, new.opened_at) == ("new", 1, 1, "C-1", clock.now)
    assert (read_case(store, 1).state, read_case(store, 1).alerts_shown) == ("closed", 2)


def test_active_ones_are_told_by_the_clock(store, clock):
    lifted = store.suppress("merchant", "M-1", until=NOW + WEEK, author="ann")
    short = store.suppress("merchant", "M-2", until=NOW + timedelta(days=1), author="ann")
    long = store.suppress("merchant", "M-3", until=NOW + WEEK, author="ann")
    store.lift(lifted, author="ann")
    with store.engine.connect() as connection:
        def now_active(days: float) -> set[int]:
            return set(connection.scalars(select(Suppression.id).where(active(NOW + timedelta(days=days)))))

        assert [now_active(days) for days in (0, 1, 7)] == [{short, long}, {long}, set()]


@pytest.mark.parametrize("until", [
    datetime(2018, 8, 16, 8, 0, tzinfo=timezone(timedelta(hours=2))), datetime(2018, 8, 16, 6, 0, tzinfo=UTC),
    datetime(2018, 8, 16, 6, 0),
])
def test_ends_are_read_as_utc(store, clock, until):
    store.suppress("merchant", "M-1", until=until, author="ann")
    with store.engine.connect() as connection:
        assert connection.scalar(select(Suppression.until)) == datetime(2018, 8, 16, 6, 0)


def test_a_suppression_that_cannot_be_meant_is_refused(store, clock):
    for column, value, until, rule in (
        ("merchant", None, NOW + WEEK, "names a column and a value"),
        ("merchant", float("nan"), NOW + WEEK, "names a column and a value"),
        ("merchant", ["M-1"], NOW + WEEK, "names a column and a value"),
        ("merchant", "M\0", NOW + WEEK, "names a column and a value"),
        ("", "M-1", NOW + WEEK, "names a column and a value"),
        ("merchant", "M-1", NOW, "must end in the future"),
        ("merchant", "M-1", NOW.replace(tzinfo=timezone(timedelta(hours=-2))) - WEEK, "must end in the future"),
    ):
        with pytest.raises(UsageError, match=rule):
            store.suppress(column, value, until=until, author="ann")
    with pytest.raises(UsageError, match="must have an author"):
        store.suppress("merchant", "M-1", until=NOW + WEEK, author=" ")
    with store.engine.connect() as connection:
        assert connection.execute(select(Suppression.id)).all() == []


COLUMNS = ["merchant", "a.b", "$", "$.a", "it's", "[0]", "0", "ünï", 'say "hi"', "back\\slash", "a b", "%", ":x", "{y}"]
TEXTS = ["true", "1", "1.0", "0.1", "null", "None", "'", '"', "\\", "\\u0041", "[]", "{}", "", " ", "ß", "é", "e\u0301",
         "1e-05", "\U0001f600", "\x7f", "\n", "M-1"]
OTHERS = [None, True, False, 0, 1, 7, -3, 2**53 + 1, 2**63, -(2**70), np.int64(7), 0.1, 0.1 + 0.2, 1.0, 7.0, -0.0, 1e-5,
          1e16, 1e22, 5e-324, 1.7976931348623157e308, np.float32(0.1), float("nan"), float("inf"), Decimal("4310.25"),
          Decimal("0.10"), ["M-1"], {"a": 1}, datetime(2018, 8, 8, 3)]


def records() -> list[dict[str, Any]]:
    """Each value in a column, and random floats: the columns take turns, and another one holds the character NUL."""
    values = [*TEXTS, *OTHERS, *np.random.default_rng(5).lognormal(0, 9, 30)]
    return [{COLUMNS[(place + turn) % len(COLUMNS)]: value, "other": "x\0y"} for turn in range(2)
            for place, value in enumerate(values)]


def looked_for() -> list[tuple[str, Any]]:
    """Columns and values that some records hold, and some that look alike."""
    held = [(column, value) for record in records() for column, value in record.items() if column != "other"]
    alike = [(column, value) for column, _ in held[:40] for value in ("1", 1, "true", True, 7.0, "7")]
    return [pair for pair in [*held, *alike] if value_text(pair[1]) is not None]


def holding(records: dict[str, dict[str, Any]], column: str, value: Any) -> set[str]:
    """The names of the records that hold the value, in Python."""
    return {name for name, record in records.items() if value_text(record.get(column)) == value_text(value)}


def arriving() -> tuple[dict[str, dict[str, Any]], list[Alert]]:
    """Records by name, and their alerts, which hold them as the record and as the entities in turns."""
    named = {f"alert {row}": record for row, record in enumerate(records())}
    held = [{"record": record, "entities": {}} if row % 2 else {"record": {}, "entities": record}
            for row, record in enumerate(named.values())]
    return named, [an_alert(a_run(), row, id=name, key=name, **held[row]) for row, name in enumerate(named)]


def test_alerts_that_are_there_are_found_as_python_finds_them(store, clock):
    named, alerts = arriving()
    store.add_run(a_run(), alerts)
    for column, value in looked_for()[::10]:
        number = store.suppress(column, value, until=NOW + WEEK, author="ann")
        assert hidden(store) == dict.fromkeys(holding(named, column, value), number), (column, value)
        store.lift(number, author="ann")


def test_alerts_that_arrive_are_found_as_python_finds_them(store, clock):
    named, alerts = arriving()
    expected: dict[str, int] = {}
    for column, value in looked_for()[::3]:
        number = store.suppress(column, value, until=NOW + WEEK, author="ann")
        expected = dict.fromkeys(holding(named, column, value), number) | expected
    store.add_run(a_run(), alerts)
    assert hidden(store) == expected
    assert 40 < len(expected) < len(named)
