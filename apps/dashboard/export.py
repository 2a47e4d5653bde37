"""The filtered list as CSV, streamed from SQL: formulas made harmless, private columns hidden unless an admin asks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import formats
from access import Actor
from filters import Filters, sorting
from queries import ALERT_LINES, CASE_LINE, alert_line, case_lines
from sqlalchemy import Engine, select

MOST_ROWS = 100_000
BATCH = 500
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
ALERT_COLUMNS = ("alert", "case", "key", "entities", "risk", "amount", "time", "why", "verdict")
CASE_COLUMNS = ("case", "entity column", "entity", "state", "verdict", "assignee", "risk", "alerts", "open alerts",
                "amount", "opened", "last record", "why")


def as_csv(engine: Engine, actor: Actor, filters: Filters) -> bytes:
    """At most MOST_ROWS rows of the list in its order, with a head, in UTF-8 that spreadsheets recognise."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CASE_COLUMNS if filters.view == "cases" else ALERT_COLUMNS)
    # what leaves the dashboard is seen by others: only an admin takes private columns along
    seen = actor if actor.may("admin") else replace(actor, sees_private=False)
    rows = _cases(engine, actor, seen, filters) if filters.view == "cases" else _alerts(engine, actor, seen, filters)
    writer.writerows([harmless(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: texts that begin like one get an apostrophe before them.

    >>> harmless("=1+1"), harmless("  @SUM(A1)"), harmless(-3.5), harmless("C-1")
    ("'=1+1", "'  @SUM(A1)", -3.5, 'C-1')
    """
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, str) and (value[:1] in FORMULA_STARTS or value.lstrip()[:1] in FORMULA_STARTS):
        return f"'{value}"
    return value


def _alerts(engine: Engine, actor: Actor, seen: Actor, filters: Filters) -> Iterator[tuple[Any, ...]]:
    query = sorting(filters).of(ALERT_LINES.where(*filters.conditions(actor))).limit(MOST_ROWS)
    with engine.connect().execution_options(yield_per=BATCH) as store:
        for row in store.execute(query).mappings():
            line = alert_line(seen, row)
            yield (line.id, line.case_id, line.title, formats.names(line.entities), line.risk, line.amount,
                   line.occurred_at, formats.why(line.reasons), line.verdict or "open")


def _cases(engine: Engine, actor: Actor, seen: Actor, filters: Filters) -> Iterator[tuple[Any, ...]]:
    query = sorting(filters).of(select(*CASE_LINE).where(*filters.conditions(actor))).limit(MOST_ROWS)
    with engine.connect().execution_options(yield_per=BATCH) as store, engine.connect() as beside:
        for rows in store.execute(query).mappings().partitions():
            for line in case_lines(beside, seen, rows):
                yield (line.id, line.entity_column, line.title, line.state, line.verdict, line.assignee, line.risk,
                       line.alerts_shown, line.alerts_open, line.amount, line.opened_at, line.last_at,
                       formats.why(line.riskiest.reasons) if line.riskiest else "")
