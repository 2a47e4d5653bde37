"""Suppressions: alerts whose record has a value in a column are kept out of the queue for a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    exists,
    insert,
    literal,
    select,
    text,
    update,
)

from anomaly_cl.alerts.cases import IS_OPEN, MOMENT, Change, in_parts, open_case_of, open_cases, refresh
from anomaly_cl.alerts.json_values import value_text
from anomaly_cl.alerts.models import Base, Case, Suppression
from anomaly_cl.alerts.people import author_name, free_text
from anomaly_cl.errors import UsageError

ALERTS, SUPPRESSIONS = Base.metadata.tables["alerts"], Base.metadata.tables["suppressions"]
# The cells of a JSON object of plain values, each with its column's name and with what `value_text` says of its value:
# a number as it is written in the JSON, because a database would round it. Old versions of SQLite find no column again
# whose name has a quotation mark after a backslash; PostgreSQL does not read JSON with the character NUL.
CELLS = {
    "sqlite": """
        SELECT cell.key AS name, CASE cell.type WHEN 'text' THEN cell.value WHEN 'true' THEN 'true'
            WHEN 'false' THEN 'false' ELSE {readable} -> cell.fullkey END AS told
        FROM json_each({readable}) AS cell WHERE cell.type NOT IN ('null', 'array', 'object')""",
    "postgresql": """
        SELECT cell.key AS name, cell.value #>> '{{}}' AS told FROM json_each({readable}) AS cell
        WHERE json_typeof(cell.value) NOT IN ('null', 'array', 'object')""",
}
READABLE = {
    "sqlite": r"""CASE WHEN instr({held}, '\"') THEN replace(replace({held}, '\\', '\u005c'), '\"', '\u0022')
        ELSE {held} END""",
    "postgresql": r"""CASE WHEN strpos({held}::text, '\u0000') > 0
        THEN replace({held}::text, '\u0000', '\ufffd')::json ELSE {held} END""",
}
# Most records are left out by their text alone, which takes a fourth of the time of reading them as JSON.
WRITTEN = {"sqlite": "instr({held}, :part) > 0", "postgresql": "strpos({held}::text, :part) > 0"}
PLAIN = re.compile("[A-Za-z0-9 ._:-]+")  # what stands in JSON as it is
HOLDS = "({written} AND EXISTS (SELECT 1 FROM ({cells}) AS cells WHERE cells.name = :name AND cells.told = :told))"
ACTIVE = """WITH active AS MATERIALIZED (
    SELECT id, column_name, value FROM suppressions WHERE lifts IS NULL AND until > :now
    AND NOT EXISTS (SELECT 1 FROM suppressions AS lifting WHERE lifting.lifts = suppressions.id))"""
# The names are looked at first: few columns have a suppression, and the text of the others need not be made.
FIRST_MATCH = """
    SELECT min(active.id) AS id FROM ({cells}) AS cells
    JOIN active ON active.column_name = cells.name AND active.value = cells.told
    WHERE cells.name IN (SELECT column_name FROM active)"""


def active(now: datetime) -> ColumnElement[bool]:
    """Whether a row of `suppressions` hides the alerts that arrive now (naive UTC)."""
    lifting = SUPPRESSIONS.alias("lifting")
    return and_(Suppression.lifts.is_(None), Suppression.until > now,
                ~exists().where(lifting.c.lifts == Suppression.id))


def suppress(connection: Connection, column: str, value: Any, until: datetime, author: str, reason: str,
             now: datetime) -> int:
    """Hide the open alerts whose record or entities have this value there, and those that arrive until then."""
    told, author = value_text(value), author_name(author, "a suppression")
    if told is None or "\0" in told or "\0" in column or not column:
        raise UsageError("a suppression names a column and a value in it, a text, a number or a bool",
                         f"it is {column!r} and {value!r}", "take both from the record of an alert")
    if (ends := _naive(until)) <= now:
        raise UsageError("a suppression must end in the future", f"it ends at {ends} UTC, and now it is {now} UTC",
                         "give a later time")
    number = _insert(connection, column=column, value=told, until=ends, lifts=None, author=author, created_at=now,
                     reason=free_text(reason, "a reason"))
    holds = " OR ".join(_over("alerts", HOLDS, connection))
    connection.execute(text(
        f"UPDATE alerts SET suppression_id = :number WHERE verdict IS NULL AND suppression_id IS NULL AND ({holds})"),
        {"number": number, "name": column, "told": told, "part": max(PLAIN.findall(told), key=len, default="")})
    hidden = select(ALERTS.c.case_id).where(ALERTS.c.suppression_id == number)
    refresh(connection, hidden, Change(f"suppression of {column} {told}", author, now))
    return number


def lift(connection: Connection, suppression_id: int, author: str, reason: str, now: datetime) -> None:
    """End a suppression, also one that has expired: what it hid is in the queue again, unless another one hides it."""
    author = author_name(author, "the lifting of a suppression")
    ended = _to_lift(connection, suppression_id)
    _insert(connection, column=ended.column, value=ended.value, until=ended.until, lifts=suppression_id,
            author=author, created_at=now, reason=free_text(reason, "a reason"))
    hidden = ALERTS.c.suppression_id == suppression_id
    touched = set(connection.scalars(select(ALERTS.c.case_id).where(hidden).distinct()))
    # An open alert that comes back into a closed case would not be seen: it joins one that is not closed.
    astray = and_(hidden, ALERTS.c.verdict.is_(None), ~exists().where(Case.id == ALERTS.c.case_id, IS_OPEN))
    open_cases(connection, ALERTS, literal(now, MOMENT), now, astray)
    joined = select(Case.id).where(open_case_of(ALERTS.c)).correlate(ALERTS).scalar_subquery()
    connection.execute(update(ALERTS).where(astray).values(case_id=joined))
    touched |= set(connection.scalars(select(ALERTS.c.case_id).where(hidden).distinct()))
    _hide(connection, "alerts", "suppression_id = :lifted", now, lifted=suppression_id)
    change = Change(f"suppression of {ended.column} {ended.value} lifted", author, now)
    for some in in_parts(sorted(touched)):
        refresh(connection, select(Case.id).where(Case.id.in_(some)), change)


def suppress_arriving(connection: Connection, arriving: Table, now: datetime) -> None:
    """Hide those of the arriving alerts that an active suppression is about."""
    if connection.scalar(select(exists().where(active(now)))):
        _hide(connection, arriving.name, "1 = 1", now)


def _hide(connection: Connection, table: str, which: str, now: datetime, **parameters: Any) -> None:
    """Put alerts of a table under the first active suppression that is about them, or under none."""
    matches = " UNION ALL ".join(_over(table, FIRST_MATCH, connection))
    hiding = text(f"{ACTIVE} UPDATE {table} SET suppression_id = (SELECT min(id) FROM ({matches}) AS matches) "
                  f"WHERE {which}")
    connection.execute(hiding.bindparams(bindparam("now", type_=MOMENT)), {"now": now, **parameters})


def _over(table: str, query: str, connection: Connection) -> list[str]:
    """The query over the cells of the records, and over those of the entities, of a table like `alerts`."""
    dialect = connection.dialect.name
    found = []
    for held in (f"{table}.record", f"{table}.entities"):
        cells = CELLS[dialect].format(readable=READABLE[dialect].format(held=held))
        found.append(query.format(cells=cells, written=WRITTEN[dialect].format(held=held)))
    return found


def _to_lift(connection: Connection, suppression_id: int) -> Any:
    found = connection.execute(select(SUPPRESSIONS.c.column_name.label("column"), SUPPRESSIONS.c.value,
                                      SUPPRESSIONS.c.until, SUPPRESSIONS.c.lifts)
                               .where(SUPPRESSIONS.c.id == suppression_id)).one_or_none()
    if found is None or found.lifts is not None:
        raise UsageError("a suppression must be in the store", f"there is none with id {suppression_id}",
                         "take its id from the store")
    by = connection.scalar(select(SUPPRESSIONS.c.author).where(SUPPRESSIONS.c.lifts == suppression_id))
    if by is not None:
        raise UsageError("a suppression is lifted once", f"{by} has lifted {suppression_id}", "leave it")
    return found


def _insert(connection: Connection, column: str, **values: Any) -> int:
    added = insert(SUPPRESSIONS).values(column_name=column, **values).returning(SUPPRESSIONS.c.id)
    return connection.execute(added).scalar_one()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
