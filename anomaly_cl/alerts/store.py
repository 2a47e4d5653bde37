"""The alert store: runs, their alerts, and what people decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from anomaly_cl.alerts.cases import add_note, assign, set_state
from anomaly_cl.alerts.connection import explained, make_engine, writing
from anomaly_cl.alerts.deciding import decide
from anomaly_cl.alerts.identity import alert_id, entity_text, run_id
from anomaly_cl.alerts.importing import BATCH, AddedRun, ArrivingRun
from anomaly_cl.alerts.json_values import json_value, value_text
from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.models import Alert, EntityPast, Run, Signal, StoredModel, Verdict, utc_now
from anomaly_cl.alerts.saved_filters import delete_filter, save_filter
from anomaly_cl.alerts.suppressions import lift, suppress
from anomaly_cl.alerts.upgrade import upgrade

__all__ = ["AddedRun", "AlertStore", "StandingVerdict", "alert_id", "entity_text", "json_value", "open_store", "run_id",
           "value_text"]


@dataclass(frozen=True)
class StandingVerdict:
    """The newest verdict of an alert, with what finds its record again: the key, or input and row number."""

    model_id: str
    key: str | None
    input_hash: str
    row_number: int
    alert_id: str
    verdict: str
    reason: str
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
    """Reads and writes one store; safe to share between threads. Its methods raise InputError if the database fails.

    `clock` gives the time now (naive UTC), by which writes are dated and suppressions expire.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now):
        self.engine, self.clock = engine, clock

    def __enter__(self) -> AlertStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the store can still be used, and opens new ones."""
        self.engine.dispose()

    def add_run(
        self, run: Run, alerts: Iterable[Alert], *, model: StoredModel | None = None,
        pasts: Iterable[EntityPast] = (), signals: Iterable[Signal] = (),
    ) -> AddedRun:
        """Add a run, those of its alerts that the store does not have, and what belongs to them, all or nothing.

        `alerts`, `pasts` and `signals` may be generators of any length, and are read in this order; at most BATCH of
        them are held at a time. What is there already, the run too, stays as it is. Each new alert joins the case of
        its entity that is not closed, or opens one; active suppressions hide it. `run_id`, `case_id`,
        `suppression_id` and `verdict` of the alerts are not read. Raises InputError if a required value is missing.
        """
        with explained(self.engine.url), self.engine.begin() as connection:
            arriving = ArrivingRun(connection, run)
            arriving.fill(alerts, pasts, signals)
            return arriving.copy(model, self.clock)

    def decide(
        self, alert_ids: Sequence[str], verdict: str, *, author: str, reason: str = "", note: str = "",
        versions: Mapping[int, int] | None = None,
    ) -> int:
        """Give alerts the verdict "fraud", "legitimate" or "unsure", all or none of them; gives their number.

        A new case is in review from then on, and closed when none of its alerts is open or unsure; a closed one stays
        closed. `versions` holds the version that was read of each of their cases; None changes them whatever was
        written since. Raises UsageError for another verdict, no author, or an alert that is not in the store,
        StaleError if a case was changed after its version was read.
        """
        with writing(self.engine) as connection:
            return len(decide(connection, alert_ids, verdict, author=author, reason=reason, note=note,
                              versions=versions, at=self.clock()))

    def add_verdict(
        self, alert_id: str, verdict: str, *, author: str, note: str = "", reason: str = "",
        version: int | None = None,
    ) -> int:
        """Give one alert a verdict as `decide` does; `version` is that of its case. Gives the verdict's id."""
        with writing(self.engine) as connection:
            case_id = connection.scalar(select(Alert.case_id).where(Alert.id == alert_id))
            versions = None if version is None or case_id is None else {case_id: version}
            return decide(connection, [alert_id], verdict, author=author, reason=reason, note=note,
                          versions=versions, at=self.clock())[0]

    def set_state(self, case_id: int, state: str, *, author: str, version: int, note: str = "") -> None:
        """Put a case into the state "new", "in review" or "closed", whatever its alerts say.

        Raises UsageError for another state, no author, a case that is not there, or one to open whose entity has
        another that is not closed, StaleError if the case was changed after its version was read.
        """
        with writing(self.engine) as connection:
            set_state(connection, case_id, state, author, version, note, self.clock())

    def assign(self, case_id: int, assignee: str | None, *, author: str, version: int) -> None:
        """Give a case to a person, None for nobody; raises as `set_state` does."""
        with writing(self.engine) as connection:
            assign(connection, case_id, assignee, author, version, self.clock())

    def add_note(self, case_id: int, note: str, *, author: str, version: int) -> None:
        """Add words to the history of a case; raises as `set_state` does."""
        with writing(self.engine) as connection:
            add_note(connection, case_id, note, author, version, self.clock())

    def suppress(self, column: str, value: Any, *, until: datetime, author: str, reason: str = "") -> int:
        """Keep alerts whose record or entities have this value in the column out of the queue; gives an id.

        They are those that are open now, and those that arrive before `until` (naive times are UTC). The value is
        compared as text, see `anomaly_cl.alerts.json_values.value_text`. Raises UsageError for a value that is
        missing, an end that is not in the future, or no author.
        """
        with writing(self.engine) as connection:
            return suppress(connection, column, value, until, author, reason, self.clock())

    def lift(self, suppression_id: int, *, author: str, reason: str = "") -> None:
        """End a suppression, also an expired one: the alerts that it hid are in the queue again.

        Those that are open while their case is closed join another case of their entity. Raises UsageError if there
        is no such suppression, or it was lifted before.
        """
        with writing(self.engine) as connection:
            lift(connection, suppression_id, author, reason, self.clock())

    def save_filter(self, name: str, query: str, *, author: str) -> int:
        """Keep filters of the queue under a name, in place of the author's own of that name; gives an id."""
        with writing(self.engine) as connection:
            return save_filter(connection, name, query, author, self.clock())

    def delete_filter(self, filter_id: int, *, author: str) -> None:
        """Take a saved filter away; raises UsageError if there is none."""
        with writing(self.engine) as connection:
            delete_filter(connection, filter_id, author)

    def verdicts(self) -> Iterator[StandingVerdict]:
        """The verdict that stands for each decided alert, oldest first: a later one of the same key overrides.

        `{given.key: given.verdict for given in store.verdicts()}` gives a key's newest verdict.
        """
        newest = select(func.max(Verdict.id)).group_by(Verdict.alert_id)
        columns = (Run.model_id, Run.input_hash, Alert.key, Alert.row_number, Verdict.alert_id, Verdict.verdict,
                   Verdict.reason, Verdict.note, Verdict.author, Verdict.created_at)
        query = select(*columns).join(Verdict.alert).join(Alert.run).where(Verdict.id.in_(newest)).order_by(Verdict.id)
        with explained(self.engine.url), self.engine.connect() as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query).mappings():
                yield StandingVerdict(**row)
