"""Cases in SQL: which one an alert joins, what its alerts say together, and writes that rest on what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from anomaly_cl.alerts.models import CASE_STATES, Alert, Base, Case, CaseEvent
from anomaly_cl.alerts.people import author_name, free_text, short_name
from anomaly_cl.errors import StaleError, UsageError

CASES = Base.metadata.tables["cases"]
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
MOMENT = CASES.c.changed_at.type
IDS_AT_ONCE = 500  # databases take some thousand parameters in a statement
# in the words of the partial index, by which the database knows that it can use it
IS_OPEN = Case.state != literal_column("'closed'")
UNSETTLED = or_(Alert.verdict.is_(None), Alert.verdict == "unsure")


@dataclass(frozen=True)
class Change:
    """A write to cases: what it did, who did it ("" is the program itself), and when (naive UTC)."""

    what: str
    by: str
    at: datetime

    @property
    def columns(self) -> dict[str, Any]:
        return {"version": Case.version + 1, "changed_what": self.what, "changed_by": self.by, "changed_at": self.at}


def about(alert: Any) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """Entity column and entity of the case that an alert (a table like `alerts`) belongs to."""
    return func.coalesce(alert.entity_column, ""), func.coalesce(alert.entity, alert.id)


def open_case_of(alert: Any) -> ColumnElement[bool]:
    """Whether a row of `cases` is the one that is not closed, of this alert's entity."""
    column, entity = about(alert)
    return and_(Case.entity_column == column, Case.entity == entity, IS_OPEN)


def open_cases(connection: Connection, alerts: FromClause, opened_at: ColumnElement[datetime], at: datetime,
               *conditions: ColumnElement[bool]) -> None:
    """A new case for each entity of these alerts that has none that is not closed."""
    column, entity = about(alerts.c)
    values: dict[str, Any] = {
        "entity_column": column, "entity": entity, "state": literal("new"), "version": literal(0),
        "alerts_shown": literal(0), "alerts_open": literal(0), "risk": literal(0.0), "opened_at": func.min(opened_at),
        "changed_what": literal("opened"), "changed_by": literal(""), "changed_at": literal(at, MOMENT),
    }
    lacking = select(*values.values()).where(
        ~exists().where(open_case_of(alerts.c)).correlate(alerts), *conditions).group_by(column, entity)
    connection.execute(INSERTS[connection.dialect.name](CASES).from_select(list(values), lacking)
                       .on_conflict_do_nothing())


def refresh(connection: Connection, cases: Select[int], change: Change | None = None) -> None:
    """Write into these cases what their alerts say together; with `change`, as a write of its own."""
    shown = Alert.suppression_id.is_(None)

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(shown, *conditions)

    told = select(
        Alert.case_id, count().label("alerts_shown"), count(Alert.verdict.is_(None)).label("alerts_open"),
        func.coalesce(func.max(Alert.risk).filter(shown), 0.0).label("risk"),
        func.sum(Alert.amount).filter(shown).label("amount"),
        func.min(Alert.occurred_at).filter(shown).label("first_at"),
        func.max(Alert.occurred_at).filter(shown).label("last_at"),
        case(*((count(Alert.verdict == each) > 0, each) for each in ("fraud", "unsure", "legitimate")),
             else_=None).label("verdict"),
    ).where(Alert.case_id.in_(cases)).group_by(Alert.case_id).subquery()
    values = {column.name: column for column in told.columns if column.name != "case_id"}
    connection.execute(update(Case).where(Case.id == told.c.case_id)
                       .values(**values, **(change.columns if change else {})))


def claim(connection: Connection, cases: Iterable[int], change: Change, versions: Mapping[int, int] | None) -> None:
    """Count a write into these cases, which keeps it as the last one.

    Raises StaleError if one has not the version that was read, or is not among `versions`; None checks nothing.
    """
    if versions is None:
        for some in in_parts(list(cases)):
            connection.execute(update(Case).where(Case.id.in_(some)).values(change.columns))
        return
    for number in cases:
        counted = update(Case).where(Case.id == number, Case.version == versions.get(number))
        if connection.execute(counted.values(change.columns)).rowcount == 0:
            raise _stale(connection, number, versions.get(number))


def set_state(connection: Connection, case_id: int, state: str, author: str, version: int, note: str,
              at: datetime) -> None:
    """Put a case into another state by hand, whatever its alerts say."""
    if state not in CASE_STATES:
        raise UsageError(f"a state must be one of {list(CASE_STATES)}", f"it is {state!r}", "choose one of them")
    _write(connection, case_id, "state", state, author, version, note, at)
    if state != "closed":
        _refuse_second_open(connection, case_id)
    connection.execute(update(Case).where(Case.id == case_id).values(state=state))


def assign(connection: Connection, case_id: int, assignee: str | None, author: str, version: int, at: datetime) -> None:
    """Give a case to somebody, or to nobody."""
    name = None if assignee is None else short_name(assignee, "an assignee")
    _write(connection, case_id, "assignee", name, author, version, "", at)
    connection.execute(update(Case).where(Case.id == case_id).values(assignee=name))


def add_note(connection: Connection, case_id: int, note: str, author: str, version: int, at: datetime) -> None:
    if not note.strip():
        raise UsageError("a note must say something", f"it is {note!r}", "write some words")
    _write(connection, case_id, "note", None, author, version, note, at)


def add_events(connection: Connection, cases: Sequence[int], state: str, change: Change) -> None:
    """Put cases into a state because of what happened to their alerts."""
    if cases:
        fixed = {"kind": "state", "value": state, "note": "", "author": change.by, "created_at": change.at}
        connection.execute(insert(CaseEvent), [fixed | {"case_id": number} for number in cases])
    for some in in_parts(cases):
        connection.execute(update(Case).where(Case.id.in_(some)).values(state=state))


def in_parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The ids, as many at a time as a statement takes."""
    return (ids[start:start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))


def _write(connection: Connection, case_id: int, kind: str, value: str | None, author: str, version: int, note: str,
           at: datetime) -> None:
    author = author_name(author, "a change of a case")
    done = {"state": f"state {value}", "assignee": f"assigned to {value or 'nobody'}", "note": "a note"}[kind]
    claim(connection, [case_id], Change(done, author, at), {case_id: version})
    connection.execute(insert(CaseEvent).values(case_id=case_id, kind=kind, value=value, note=free_text(note, "a note"),
                                                author=author, created_at=at))


def _refuse_second_open(connection: Connection, case_id: int) -> None:
    this = select(Case.entity_column, Case.entity).where(Case.id == case_id).subquery()
    other = connection.scalar(select(Case.id).where(
        Case.entity_column == this.c.entity_column, Case.entity == this.c.entity, Case.id != case_id,
        IS_OPEN))
    if other is not None:
        raise UsageError("an entity has one case that is not closed", f"case {other} is", "continue in that one")


def _stale(connection: Connection, case_id: int, read: int | None) -> StaleError | UsageError:
    row = connection.execute(select(CASES).where(Case.id == case_id)).mappings().one_or_none()
    if row is None:
        return UsageError("a case must be in the store", f"there is no case {case_id}", "take its id from the store")
    by, at = row["changed_by"] or "the program", row["changed_at"]
    written = f"{row['changed_what']}, by {by}, at {at:%Y-%m-%d %H:%M:%S} UTC"
    since = f"version {read} was read" if read is not None else "none of its versions was given"
    return StaleError("a case must not have changed since it was read",
                      f"case {case_id}: {written}, made version {row['version']}; {since}", "read it again")

