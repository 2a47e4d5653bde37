"""A run's way into the store: everything waits in temporary tables until it is copied at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Column, Connection, MetaData, Table, delete, func, select, true

from anomaly_cl.alerts.cases import CASES, INSERTS, Change, open_case_of, open_cases, refresh
from anomaly_cl.alerts.connection import keep_writers_out
from anomaly_cl.alerts.models import Alert, Base, EntityPast, Run, Signal, StoredModel
from anomaly_cl.alerts.suppressions import suppress_arriving

BATCH = 1_000
TABLES = Base.metadata.tables
ALERTS = TABLES["alerts"]


@dataclass(frozen=True)
class AddedRun:
    """What adding a run did: how many alerts were new, and how many the store (or the run itself) had before."""

    run_id: str
    added: int
    already_known: int


class ArrivingRun:
    """A run with all that belongs to it, in temporary tables of a connection, where no other writer waits for it."""

    def __init__(self, connection: Connection, run: Run):
        self.connection, self.run = connection, run
        self.insert = INSERTS[connection.dialect.name]
        self.tables = {name: self._made(TABLES[name]) for name in ("alerts", "entity_pasts", "signals")}
        self.given = 0

    def fill(self, alerts: Iterable[Alert], pasts: Iterable[EntityPast], signals: Iterable[Signal]) -> None:
        """Read them to their end, one kind after the other; what the store itself says of alerts is left out."""
        undecided = {"case_id": None, "suppression_id": None, "verdict": None}
        self.given = self._add("alerts", alerts, undecided)
        self._add("entity_pasts", pasts, {})
        self._add("signals", signals, {})

    def copy(self, model: StoredModel | None, clock: Callable[[], datetime]) -> AddedRun:
        """Move all that the store does not have into its tables, the alerts into cases; other writers are kept out."""
        keep_writers_out(self.connection)
        # The first statement writes: SQLite keeps others out from here, and nothing is read before.
        self._insert(TABLES["runs"], [_values(self.run, TABLES["runs"])])
        if model is not None:
            self._insert(TABLES["models"], [_values(model, TABLES["models"])])
        now, arriving = clock(), self.tables["alerts"]
        self.connection.execute(delete(arriving).where(arriving.c.id.in_(select(ALERTS.c.id))))
        added = self.connection.scalar(select(func.count()).select_from(arriving)) or 0
        suppress_arriving(self.connection, arriving, now)
        open_cases(self.connection, arriving, arriving.c.created_at, now)
        self._copy_alerts(arriving)
        touched = select(ALERTS.c.case_id).where(ALERTS.c.id.in_(select(arriving.c.id)))
        refresh(self.connection, touched, Change("new alerts", "", now))
        for name in ("entity_pasts", "signals"):
            waiting = self.tables[name]
            # SQLite cannot tell ON CONFLICT from a join condition unless a WHERE stands before it.
            self.connection.execute(self.insert(TABLES[name]).from_select(
                waiting.columns.keys(), select(waiting).where(true())).on_conflict_do_nothing())
        for waiting in self.tables.values():
            waiting.drop(self.connection)
        return AddedRun(self.run.id, added, self.given - added)

    def _copy_alerts(self, arriving: Table) -> None:
        columns = {column.name: CASES.c.id if column.name == "case_id" else column for column in arriving.columns}
        joined = select(*columns.values()).join_from(arriving, CASES, open_case_of(arriving.c))
        self.connection.execute(self.insert(ALERTS).from_select(list(columns), joined.where(true())))

    def _made(self, table: Table) -> Table:
        """A temporary table like the store's, but without indexes and constraints between tables."""
        filled_later = ("case_id",)
        columns = [Column(column.name, column.type, primary_key=column.primary_key,
                          nullable=column.nullable or column.name in filled_later) for column in table.columns]
        made = Table(f"arriving_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])
        made.create(self.connection, checkfirst=False)
        return made

    def _add(self, name: str, rows: Iterable[Any], fixed: dict[str, Any]) -> int:
        """Put rows into a temporary table, in batches; gives how many there were, some of them maybe twice."""
        table, number = self.tables[name], 0
        values = ({**_values(row, TABLES[name]), "run_id": self.run.id, **fixed} for row in rows)
        while batch := list(islice(values, BATCH)):
            self._insert(table, batch)
            number += len(batch)
        return number

    def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        self.connection.execute(self.insert(table).on_conflict_do_nothing(), rows)


def _values(row: Base, table: Table) -> dict[str, Any]:
    """Column values as plain Python: a NumPy integer would be stored as bytes."""
    values = {name: getattr(row, name) for name in table.columns.keys()}  # noqa: SIM118
    if table is TABLES["runs"] and values["private"] is None:  # left out; JSON's null would be no list
        values["private"] = []
    if table is ALERTS and (values["entity"] is None or values["entity_column"] is None):
        values |= {"entity": None, "entity_column": None}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
