"""Cases: which alerts they hold, what they say together, and what happened to them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import numpy as np
import pytest
from made_up_rows import NOW, a_run, alerts, an_alert, assert_cases_agree_with_alerts, case_of, read_case
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Case, CaseEvent, EntityPast, Signal, StoredModel, Verdict
from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.errors import InputError, StaleError, UsageError


def add(store: AlertStore, policy: str = "alpha=0.01", **entities: str | None) -> None:
    """A run with alerts of these ids, each about a customer."""
    run = a_run(policy)
    store.add_run(run, [
        an_alert(run, row, id=name, key=name, entity=entity, entity_column=entity and "customer")
        for row, (name, entity) in enumerate(entities.items())])


def events(store: AlertStore, case: int) -> list[tuple]:
    columns = (CaseEvent.kind, CaseEvent.value, CaseEvent.note, CaseEvent.author)
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(
            select(*columns).where(CaseEvent.case_id == case).order_by(CaseEvent.id))]


def held(store: AlertStore) -> list[set[str]]:
    """The ids of the alerts of each case, in the order of the cases."""
    with Session(store.engine) as session:
        return [{alert.id for alert in case.alerts} for case in session.scalars(select(Case).order_by(Case.id))]


def counted(store: AlertStore) -> dict[str, int]:
    with store.engine.connect() as connection:
        return {table.__tablename__: connection.scalar(select(func.count()).select_from(table))
                for table in (Alert, Case, CaseEvent, EntityPast, Signal, StoredModel, Verdict)}


def test_alerts_of_one_entity_share_a_case_and_one_without_is_alone(store):
    add(store, a="C-1", b="C-2", c="C-1", d=None, e=None)
    assert sorted(map(sorted, held(store))) == [["a", "c"], ["b"], ["d"], ["e"]]
    alone = read_case(store, case_of(store, "d"))
    assert (alone.entity_column, alone.entity, alone.state, alone.version) == ("", "d", "new", 1)


def test_equal_names_in_different_columns_are_different_entities(store):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="a"), an_alert(run, 2, id="b", entity_column="terminal")])
    assert held(store) in ([{"a"}, {"b"}], [{"b"}, {"a"}])


def test_an_alert_with_half_an_entity_has_none(store):
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="a", entity=None), an_alert(run, 2, id="b", entity_column=None)])
    assert len(held(store)) == 2
    assert read_case(store, case_of(store, "b")).entity == "b"


def test_a_new_alert_joins_the_case_that_is_not_closed(store):
    add(store, a="C-1")
    store.decide(["a"], "unsure", author="ann")
    add(store, "fdr=0.1", b="C-1")
    assert held(store) == [{"a", "b"}]
    case = read_case(store, case_of(store, "b"))
    assert (case.state, case.alerts_shown, case.alerts_open, case.verdict) == ("in review", 2, 1, "unsure")


def test_after_a_case_is_closed_new_alerts_of_its_entity_open_another(store):
    add(store, a="C-1")
    store.decide(["a"], "legitimate", author="ann")
    closed = read_case(store, case_of(store, "a"))
    add(store, "fdr=0.1", a="C-1", b="C-1", c="C-1")
    assert held(store) == [{"a"}, {"b", "c"}]
    assert read_case(store, closed.id) == closed
    add(store, "budget=9", a="C-1", b="C-1")
    assert held(store) == [{"a"}, {"b", "c"}]


def test_the_same_run_again_changes_nothing_at_all(store):
    run = a_run()

    def given() -> dict:
        return {"model": StoredModel(id="model", facts={"rows": 3}, created_at=NOW),
                "pasts": [EntityPast(entity_column="customer", entity="C-1", records=[{"time": 1}], similar=[])],
                "signals": [Signal(entity="", points={"time": []})]}

    assert store.add_run(run, alerts(run, 1, 2), **given()).added == 2
    before, case = counted(store), read_case(store, 1)
    assert before == {"alerts": 2, "cases": 1, "case_events": 0, "entity_pasts": 1, "signals": 1, "models": 1,
                      "verdicts": 0}
    assert store.add_run(run, alerts(run, 1, 2), **given()).added == 0
    assert (counted(store), read_case(store, 1)) == (before, case)


def test_an_import_that_fails_leaves_no_case_and_no_past(store):
    run = a_run()

    def failing():
        yield Signal(entity="", points={})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.add_run(run, alerts(run, 1), signals=failing(),
                      pasts=[EntityPast(entity_column="customer", entity="C-1", records=[], similar=[])])
    with pytest.raises(InputError, match="must be complete"):
        store.add_run(run, [an_alert(run, 1, name=None)])
    assert set(counted(store).values()) == {0}


def test_a_case_says_what_its_alerts_say_together(store):
    run = a_run()
    store.add_run(run, [
        an_alert(run, 1, id="a", risk=20.0, amount=1.5, occurred_at=NOW + timedelta(days=1)),
        an_alert(run, 2, id="b", risk=70.0, amount=None, occurred_at=None),
        an_alert(run, 3, id="c", risk=30.0, amount=2.25, occurred_at=NOW - timedelta(days=1),
                 created_at=NOW - timedelta(hours=1))])
    case = read_case(store, 1)
    assert (case.alerts_shown, case.alerts_open, case.risk, case.amount) == (3, 3, 70.0, 3.75)
    assert (case.first_at, case.last_at) == (NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert case.opened_at == NOW - timedelta(hours=1)
    for name, verdict, together in (("a", "legitimate", "legitimate"), ("b", "unsure", "unsure"),
                                    ("c", "fraud", "fraud"), ("b", "legitimate", "fraud")):
        assert read_case(store, 1).state != "closed"
        store.decide([name], verdict, author="ann")
        assert read_case(store, 1).verdict == together
    assert read_case(store, 1).state == "closed"


def test_a_case_is_in_review_from_its_first_verdict_and_closed_with_its_last(store):
    add(store, a="C-1", b="C-1")
    store.decide(["a"], "fraud", author="ann", reason="known pattern of fraud", note="called")
    assert events(store, 1) == [("state", "in review", "", "ann")]
    store.decide(["b"], "unsure", author="bob")
    assert events(store, 1) == [("state", "in review", "", "ann")]
    store.decide(["b"], "legitimate", author="bob")
    assert events(store, 1)[1:] == [("state", "closed", "", "bob")]
    store.decide(["b"], "unsure", author="eve")
    assert read_case(store, 1).state == "closed"
    with Session(store.engine) as session:
        told = [(each.alert_id, each.verdict, each.reason, each.note, each.author)
                for each in session.scalars(select(Verdict).order_by(Verdict.id))]
    assert told == [("a", "fraud", "known pattern of fraud", "called", "ann"), ("b", "unsure", "", "", "bob"),
                    ("b", "legitimate", "", "", "bob"), ("b", "unsure", "", "", "eve")]


def test_one_decision_on_alerts_of_many_cases_is_all_or_nothing(store, monkeypatch):
    monkeypatch.setattr("anomaly_cl.alerts.cases.IDS_AT_ONCE", 2)
    add(store, **{f"a{i}": f"C-{i % 3}" for i in range(9)})
    ids = [f"a{i}" for i in range(8)]
    with pytest.raises(UsageError, match="there is no alert 'nobody'"):
        store.decide([*ids, "nobody"], "fraud", author="ann")
    with pytest.raises(StaleError):
        store.decide(ids, "fraud", author="ann", versions={1: 1, 2: 1, 3: 2})
    with pytest.raises(StaleError, match="none of its versions was given"):
        store.decide(ids, "fraud", author="ann", versions={1: 1, 2: 1})
    assert counted(store)["verdicts"] == 0
    assert store.decide([*ids, "a0"], "fraud", author="ann", versions={1: 1, 2: 1, 3: 1}) == 8
    assert counted(store)["verdicts"] == 8
    open_case = read_case(store, case_of(store, "a8"))
    assert (open_case.state, open_case.alerts_open, open_case.version) == ("in review", 1, 2)
    assert {read_case(store, case_of(store, name)).state for name in ("a0", "a1")} == {"closed"}
    assert store.decide([], "fraud", author="ann") == 0


def test_a_case_goes_through_states_and_hands_by_hand(store):
    add(store, a="C-1")
    store.assign(1, " bob ", author="ann", version=1)
    store.set_state(1, "in review", author="bob", version=2, note="mine")
    store.add_note(1, "<b>called</b>", author="bob", version=3)
    store.assign(1, None, author="bob", version=4)
    store.set_state(1, "closed", author="ann", version=5)
    store.set_state(1, "new", author="ann", version=6)
    case = read_case(store, 1)
    assert (case.state, case.assignee, case.version, case.alerts_open) == ("new", None, 7, 1)
    assert events(store, 1) == [
        ("assignee", "bob", "", "ann"), ("state", "in review", "mine", "bob"), ("note", None, "<b>called</b>", "bob"),
        ("assignee", None, "", "bob"), ("state", "closed", "", "ann"), ("state", "new", "", "ann")]


def test_a_closed_case_is_not_opened_beside_another_of_its_entity(store):
    add(store, a="C-1")
    store.decide(["a"], "fraud", author="ann")
    add(store, "fdr=0.1", b="C-1")
    with pytest.raises(UsageError, match="one case that is not closed; case 2 is"):
        store.set_state(1, "in review", author="ann", version=2)
    assert (read_case(store, 1).version, len(events(store, 1))) == (2, 1)
    store.set_state(2, "closed", author="ann", version=1)
    store.set_state(1, "in review", author="ann", version=2)


REFUSED = [
    (lambda store: store.set_state(1, "open", author="ann", version=1), "a state must be one of"),
    (lambda store: store.set_state(1, "closed", author="", version=1), "must have an author"),
    (lambda store: store.set_state(9, "closed", author="ann", version=1), "there is no case 9"),
    (lambda store: store.assign(1, "  ", author="ann", version=1), "an assignee must have 1 to 100"),
    (lambda store: store.assign(1, "x" * 101, author="ann", version=1), "an assignee must have 1 to 100"),
    (lambda store: store.assign(1, "bob", author="x" * 101, version=1), "must have 1 to 100 characters"),
    (lambda store: store.add_note(1, " ", author="ann", version=1), "a note must say something"),
    (lambda store: store.add_note(1, "a\0b", author="ann", version=1), "without the character NUL"),
    (lambda store: store.decide(["a"], "fraud", author="ann", note="\0"), "without the character NUL"),
    (lambda store: store.decide(["a"], "fraud", author="x" * 101), "must have 1 to 100 characters"),
    (lambda store: store.save_filter("x" * 101, "", author="ann"), "a filter's name must have"),
    (lambda store: store.save_filter("mine", "", author=" "), "a filter must have an author"),
    (lambda store: store.delete_filter(1, author="ann"), "a filter must be in the store"),
    (lambda store: store.lift(1, author="ann"), "a suppression must be in the store"),
]


def test_a_write_that_cannot_be_meant_is_refused_and_changes_nothing(store):
    add(store, a="C-1")
    before, case = counted(store), read_case(store, 1)
    for call, rule in REFUSED:
        with pytest.raises(UsageError, match=rule):
            call(store)
        assert (counted(store), read_case(store, 1)) == (before, case)


WRITES = {
    "verdict": lambda store, version: store.add_verdict("a", "fraud", author="eve", version=version),
    "decision": lambda store, version: store.decide(["a"], "fraud", author="eve", versions={1: version}),
    "state": lambda store, version: store.set_state(1, "closed", author="eve", version=version),
    "assignee": lambda store, version: store.assign(1, "eve", author="eve", version=version),
    "note": lambda store, version: store.add_note(1, "me too", author="eve", version=version),
}
BETWEEN = {
    "verdict unsure, by ann": lambda store: store.decide(["b"], "unsure", author="ann"),
    "verdict fraud on 2 alerts, by ann": lambda store: store.decide(["a", "b"], "fraud", author="ann"),
    "state closed, by ann": lambda store: store.set_state(1, "closed", author="ann", version=1),
    "assigned to bob, by ann": lambda store: store.assign(1, "bob", author="ann", version=1),
    "assigned to nobody, by ann": lambda store: store.assign(1, None, author="ann", version=1),
    "a note, by ann": lambda store: store.add_note(1, "hm", author="ann", version=1),
    "new alerts, by the program": lambda store: add(store, "fdr=0.1", c="C-1"),
    "suppression of amount 4310.25, by ann": lambda store: store.suppress(
        "amount", 4310.25, until=NOW + timedelta(days=1), author="ann"),
}


@pytest.mark.parametrize("told", BETWEEN)
def test_a_write_on_an_older_reading_is_refused_and_told_what_came_between(store, told):
    store.clock = lambda: NOW
    add(store, a="C-1", b="C-1")
    BETWEEN[told](store)
    before, case = counted(store), read_case(store, 1)
    for write in WRITES.values():
        with pytest.raises(StaleError) as refused:
            write(store, 1)
        assert refused.value.value == (
            f"case 1: {told}, at 2018-08-15 06:00:00 UTC, made version 2; version 1 was read")
        assert (counted(store), read_case(store, 1)) == (before, case)
    for version, write in enumerate(WRITES.values(), start=2):
        write(store, version)
        assert read_case(store, 1).version == version + 1


def test_a_write_to_one_case_leaves_the_reading_of_others_valid(store):
    add(store, a="C-1", b="C-2")
    store.decide(["a"], "fraud", author="ann", versions={case_of(store, "a"): 1})
    store.decide(["b"], "fraud", author="ann", versions={case_of(store, "b"): 1})


CHANGES = [
    "UPDATE case_events SET author = 'eve'", "DELETE FROM case_events", "TRUNCATE case_events",
    "INSERT OR REPLACE INTO case_events (id, case_id, kind, note, author, created_at) "
    "SELECT id, case_id, 'note', 'forged', author, created_at FROM case_events",
    "UPDATE suppressions SET until = created_at", "DELETE FROM suppressions", "TRUNCATE suppressions CASCADE",
    "INSERT OR REPLACE INTO suppressions (id, column_name, value, until, reason, author, created_at) "
    "SELECT id, column_name, 'forged', until, reason, author, created_at FROM suppressions",
]


def test_the_database_itself_refuses_to_change_what_happened(store):
    add(store, a="C-1")
    store.add_note(1, "hm", author="ann", version=1)
    store.suppress("amount", 1, until=datetime(2100, 1, 1), author="ann")
    foreign = {"sqlite": "TRUNCATE", "postgresql": "INSERT OR"}[store.engine.dialect.name]
    for statement in CHANGES:
        refusal = "syntax error" if statement.startswith(foreign) else "never changed or deleted"
        with pytest.raises(DBAPIError, match=refusal), store.engine.begin() as connection:
            connection.execute(text(statement))
    assert events(store, 1) == [("note", None, "hm", "ann")]


def test_names_as_long_as_allowed_fit_into_every_index(store):
    wide = "".join(chr(0x1F300 + (i * 7919) % 700) for i in range(499))
    run = a_run()
    store.add_run(run, [an_alert(run, 1, id="a", entity=wide, entity_column="ü" * 60, name=wide)],
                  pasts=[EntityPast(entity_column="ü" * 60, entity=wide, records=[], similar=[])])
    store.assign(1, wide[:100], author=wide[:100], version=1)
    store.save_filter(wide[:100], "x" * 10_000, author=wide[:100])
    assert read_case(store, 1).entity == wide


def test_a_filter_is_kept_under_its_authors_name_for_it(store):
    first = store.save_filter("mine", "risk=40", author="ann")
    other = store.save_filter("mine", "risk=50", author="bob")
    assert store.save_filter("mine", "risk=60", author="ann") == first != other
    with store.engine.connect() as connection:
        kept = connection.execute(text("SELECT author, query FROM saved_filters ORDER BY author")).all()
    assert [tuple(row) for row in kept] == [("ann", "risk=60"), ("bob", "risk=50")]
    store.delete_filter(first, author="root")
    with pytest.raises(UsageError, match="a filter must be in the store"):
        store.delete_filter(first, author="ann")


def test_numbers_are_counted_again_and_never_added_up(store):
    add(store, a="C-1", b="C-1")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE cases SET alerts_shown = 99, alerts_open = 98, risk = 97, amount = 96"))
    store.decide(["a"], "unsure", author="ann")
    case = read_case(store, 1)
    assert (case.alerts_shown, case.alerts_open, case.risk, case.amount) == (2, 1, 90.0, None)


def test_whatever_happens_cases_agree_with_their_alerts(store):
    rng, now, made = np.random.default_rng(3), NOW, []

    def pick() -> list[str]:
        return [made[place] for place in rng.integers(len(made), size=rng.integers(1, 4))]

    for turn in range(40):
        store.clock = lambda moment=now + timedelta(hours=turn): moment
        kind = rng.choice(["import", "decide", "suppress", "lift", "state"]) if turn > 2 else "import"
        if kind == "import":
            run = a_run(str(rng.integers(8)))
            names = [f"{row}" for row in rng.integers(60, size=6)]
            store.add_run(run, [
                an_alert(run, int(name), id=name, key=name, risk=float(rng.uniform(0, 100)),
                         amount=rng.choice([None, 2.5, 7.0]), record={"merchant": f"M-{rng.integers(3)}"},
                         entity_column=rng.choice(["customer", "terminal"]),
                         entity=rng.choice([None, "1", "2", "3"]),
                         occurred_at=rng.choice([None, NOW, NOW + timedelta(days=1)]))
                for name in names])
            made += names
        elif kind == "decide":
            store.decide(pick(), str(rng.choice(["fraud", "legitimate", "unsure"])), author="ann")
        elif kind == "suppress":
            store.suppress("merchant", f"M-{rng.integers(3)}", until=store.clock() + timedelta(hours=9), author="ann")
        elif kind == "lift":
            with suppress(UsageError):
                store.lift(int(rng.integers(1, 9)), author="ann")
        else:
            case = read_case(store, case_of(store, pick()[0]))
            with suppress(UsageError):
                store.set_state(case.id, str(rng.choice(["new", "in review", "closed"])), author="ann",
                                version=case.version)
        assert_cases_agree_with_alerts(store)
    assert len(held(store)) > 10
