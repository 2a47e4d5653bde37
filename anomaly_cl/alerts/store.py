"""The alert store: runs, their alerts, and what people decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from anomaly_cl.alerts.connection import explained, make_engine
from anomaly_cl.alerts.identity import alert_id, run_id
from anomaly_cl.alerts.json_values import json_value
from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.models import VERDICTS, Alert, Base, Run, Verdict
from anomaly_cl.alerts.upgrade import upgrade
from anomaly_cl.errors import UsageError

__all__ = ["AddedRun", "AlertStore", "StandingVerdict", "alert_id", "json_value", "open_store", "run_id"]

BATCH = 1_000
RUNS, ALERTS = Base.metadata.tables["runs"], Base.metadata.tables["alerts"]
INSERTS: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True)
class AddedRun:
    """What adding a run did: how many alerts were new, and how many the store (or the run itself) had before."""

    run_id: str
    added: int
    already_known: int


@dataclass(frozen=True)
class StandingVerdict:
    """The newest verdict of an alert, with what finds its record again: the key, or input and row number."""

    model_id: str
    key: str | None
    input_hash: str
    row_number: int
    alert_id: str
    verdict: str
    note: str
    author: str
    created_at: datetime


def open_store(url: str | Path | None = None) -> AlertStore:
    """Open a store, creating its tables or bringing them to the newest schema; every row is kept.

    Args:
        url: path of an SQLite file, or a database URL (SQLite; PostgreSQL with the extra `postgres`). Default:
            $ANOMALY_CL_STORE, else `alerts.sqlite` in the user's data folder (Linux: ~/.local/share/anomaly_cl).

    Raises InputError if there can be no store there or it is newer than this program, UsageError if the kind of
    database is not supported or its driver not installed.
    """
    location = store_url(url)
    engine = make_engine(location)
    try:
        with explained(location):
            upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return AlertStore(engine)


class AlertStore:
    """Reads and writes one store; safe to share between threads. Its methods raise InputError if the database fails."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def __enter__(self) -> AlertStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the store can still be used, and opens new ones."""
        self.engine.dispose()

    def add_run(self, run: Run, alerts: Iterable[Alert]) -> AddedRun:
        """Add a run and those of its alerts that the store does not have, all or nothing.

        `alerts` may be a generator of any length; at most BATCH of them are held at a time. What is there already,
        the run too, stays as it is. `run_id` and `verdict` of the alerts are not read: they belong to this run, and
        are undecided. Raises InputError if a required value is missing.
        """
        with explained(self.engine.url), self.engine.begin() as connection:
            # Alerts may take minutes to compute. They wait in a temporary table, so that other writers, such as a
            # person giving a verdict, are kept out only while the finished table is copied.
            arriving = _create_arriving(connection)
            number = _fill(connection, arriving, run, alerts)
            insert_new = INSERTS[connection.dialect.name]
            connection.execute(insert_new(RUNS).values(_values(run, RUNS)).on_conflict_do_nothing())
            # SQLite cannot tell ON CONFLICT from a join condition unless a WHERE stands before it.
            rows = select(arriving).where(true())
            copied = connection.execution_options(preserve_rowcount=True).execute(
                insert_new(ALERTS).from_select(arriving.columns.keys(), rows).on_conflict_do_nothing()
            )
            arriving.drop(connection)
            return AddedRun(run.id, copied.rowcount, number - copied.rowcount)

    def add_verdict(self, alert_id: str, verdict: str, *, author: str, note: str = "") -> int:
        """Add a verdict ("fraud", "legitimate" or "unsure") to an alert's history; gives the verdict's id.

        Raises UsageError for another verdict, no author, or an alert that is not in the store.
        """
        if verdict not in VERDICTS:
            raise UsageError(f"a verdict must be one of {list(VERDICTS)}", f"it is {verdict!r}", "choose one of them")
        if not author.strip():
            raise UsageError("a verdict must have an author", f"it is {author!r}", "name who decided")
        with explained(self.engine.url), self.engine.begin() as connection:
            # The alert first: this locks it, so that verdicts given at once get ids in the order of their standing.
            found = connection.execute(update(Alert).where(Alert.id == alert_id).values(verdict=verdict))
            if not found.rowcount:
                raise UsageError("a verdict must be about an alert of the store", f"there is no alert {alert_id!r}",
                                 "take its id from the store")
            given = {"alert_id": alert_id, "verdict": verdict, "note": note, "author": author}
            added = insert(Verdict).values(**given, created_at=datetime.now(UTC)).returning(Verdict.id)
            return connection.execute(added).scalar_one()

    def verdicts(self) -> Iterator[StandingVerdict]:
        """The verdict that stands for each decided alert, oldest first: a later one of the same key overrides.

        `{given.key: given.verdict for given in store.verdicts()}` gives a key's newest verdict.
        """
        newest = select(func.max(Verdict.id)).group_by(Verdict.alert_id)
        columns = (Run.model_id, Run.input_hash, Alert.key, Alert.row_number, Verdict.alert_id, Verdict.verdict,
                   Verdict.note, Verdict.author, Verdict.created_at)
        query = select(*columns).join(Verdict.alert).join(Alert.run).where(Verdict.id.in_(newest)).order_by(Verdict.id)
        with explained(self.engine.url), self.engine.connect() as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query).mappings():
                yield StandingVerdict(**row)


def _create_arriving(connection: Connection) -> Table:
    """A temporary table like `alerts`, but without indexes and constraints between tables."""
    columns = [Column(column.name, column.type, nullable=column.nullable) for column in ALERTS.columns]
    arriving = Table("arriving_alerts", MetaData(), *columns, prefixes=["TEMPORARY"])
    arriving.create(connection, checkfirst=False)
    return arriving


def _fill(connection: Connection, arriving: Table, run: Run, alerts: Iterable[Alert]) -> int:
    """Put the alerts into the temporary table, in batches; gives their number."""
    rows = ({**_values(alert, ALERTS), "run_id": run.id, "verdict": None} for alert in alerts)
    number = 0
    while batch := list(islice(rows, BATCH)):
        connection.execute(insert(arriving), batch)
        number += len(batch)
    return number


def _values(row: Run | Alert, table: Table) -> dict[str, Any]:
    """Column values as plain Python: a NumPy integer would be stored as bytes."""
    values = {name: getattr(row, name) for name in table.columns.keys()}  # noqa: SIM118
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
