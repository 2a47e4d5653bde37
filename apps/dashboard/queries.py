"""The only door from the dashboard to the alert store: typed questions in, frozen rows out; all work is done in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from anomaly_cl.alerts.models import VERDICTS, Alert, Run, Verdict
from anomaly_cl.alerts.store import AlertStore, open_store

STATES = ("open", *VERDICTS)
ORDERS = ("risk", "newest")
PAGE_SIZE = 50
MOST_RUNS = 200


@dataclass(frozen=True)
class Filters:
    """What the queue shows and in which order; None and empty leave out a condition. Dates are inclusive."""

    run: str | None = None
    state: str | None = None
    min_risk: float = 0.0
    text: str = ""
    since: date | None = None
    until: date | None = None
    order: str = "risk"

    def conditions(self) -> list[ColumnElement[bool]]:
        met: list[ColumnElement[bool]] = []
        if self.run:
            met.append(Alert.run_id == self.run)
        if self.state:
            met.append(_in_state(self.state))
        if self.min_risk > 0:
            met.append(Alert.risk >= self.min_risk)
        if self.text.strip():
            met.append(Alert.name.icontains(self.text.strip(), autoescape=True))
        if self.since:
            met.append(Alert.occurred_at >= datetime.combine(self.since, time.min))
        if self.until:
            met.append(Alert.occurred_at < datetime.combine(self.until, time.min) + timedelta(days=1))
        return met

    @property
    def sorted_by(self) -> InstrumentedAttribute[Any]:
        return Alert.risk if self.order == "risk" else Alert.occurred_at


@dataclass(frozen=True)
class RunLine:
    """One run, as the run list names it."""

    id: str
    input_name: str
    policy: str
    alerts_raised: int
    created_at: datetime


@dataclass(frozen=True)
class RunDetails(RunLine):
    """One run with its counts and the summary that the overview draws (see `anomaly_cl.alerts.models.Run`)."""

    model_id: str
    where_clause: str
    rows_in: int
    rows_scored: int
    rows_rejected: int
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class StateCounts:
    """Alerts by the verdict that stands."""

    open: int = 0
    fraud: int = 0
    legitimate: int = 0
    unsure: int = 0

    @property
    def total(self) -> int:
        return self.open + self.decided + self.unsure

    @property
    def decided(self) -> int:
        return self.fraud + self.legitimate

    @property
    def precision(self) -> float | None:
        """Share of frauds among the alerts decided so far."""
        return self.fraud / self.decided if self.decided else None


@dataclass(frozen=True)
class AlertLine:
    """One alert, as the queue lists it."""

    id: str
    risk: float
    key: str | None
    row_number: int
    entities: Mapping[str, Any]
    occurred_at: datetime | None
    reasons: tuple[Mapping[str, Any], ...]
    verdict: str | None

    @property
    def title(self) -> str:
        """The record's key, or its row number where the table has no key."""
        return self.key if self.key is not None else f"row {self.row_number:,}"


@dataclass(frozen=True)
class AlertDetails(AlertLine):
    """One alert with all that the record page shows, and the run that raised it."""

    score: float
    p_value: float
    p_tail: float
    segment: str | None
    record: Mapping[str, Any]
    typical: Mapping[str, Any]
    neighbours: tuple[Mapping[str, Any], ...]
    run_id: str
    run_input: str
    run_created_at: datetime
    model_id: str
    score_histogram: Mapping[str, Any]


@dataclass(frozen=True)
class VerdictLine:
    """What a person decided, and when (UTC)."""

    verdict: str
    note: str
    author: str
    created_at: datetime


@dataclass(frozen=True)
class Place:
    """Where an alert stands in a filtered queue: its position from 1, and the alerts before and after it."""

    position: int
    previous: str | None
    next: str | None


RUN_LINE = (Run.id, Run.input_name, Run.policy, Run.alerts_raised, Run.created_at)
ALERT_LINE = (Alert.id, Alert.risk, Alert.key, Alert.row_number, Alert.entities, Alert.occurred_at, Alert.reasons,
              Alert.verdict)


def opened(url: str) -> AlertStore:
    """The store at this address, brought to the newest schema."""
    return open_store(url)


def runs(engine: Engine) -> list[RunLine]:
    """The newest runs first, at most 200."""
    with engine.connect() as store:
        rows = store.execute(select(*RUN_LINE).order_by(Run.created_at.desc(), Run.id).limit(MOST_RUNS))
        return [RunLine(**row) for row in rows.mappings()]


def run(engine: Engine, run_id: str) -> RunDetails | None:
    """One run, or None if the store has none of this id."""
    columns = (*RUN_LINE, Run.model_id, Run.where_clause, Run.rows_in, Run.rows_scored, Run.rows_rejected, Run.summary)
    with engine.connect() as store:
        row = store.execute(select(*columns).where(Run.id == run_id)).mappings().one_or_none()
    return None if row is None else RunDetails(**row)


def state_counts(engine: Engine, filters: Filters) -> StateCounts:
    """How many alerts the filters keep, by the verdict that stands."""
    counted = [func.count().filter(_in_state(state)).label(state) for state in STATES]
    with engine.connect() as store:
        return StateCounts(**store.execute(select(*counted).where(*filters.conditions())).mappings().one())


def alerts(engine: Engine, filters: Filters, page: int = 1, page_size: int = PAGE_SIZE) -> list[AlertLine]:
    """One page of the queue, counted from 1; empty past the end."""
    # The ids are picked from an index alone; only the shown rows, whose JSON is wide, are read from the table.
    shown = Alert.id.in_(picked_ids(filters, page, page_size).scalar_subquery())
    with engine.connect() as store:
        rows = store.execute(_ordered(select(*ALERT_LINE).where(shown), filters, -1))
        return [AlertLine(**{**row, "reasons": tuple(row["reasons"])}) for row in rows.mappings()]


def picked_ids(filters: Filters, page: int, page_size: int) -> Select[tuple[str]]:
    """The ids of one page of the queue, in order."""
    kept = _ordered(select(Alert.id).where(*filters.conditions()), filters, -1)
    return kept.limit(page_size).offset(page_size * (max(page, 1) - 1))


def alert(engine: Engine, alert_id: str) -> AlertDetails | None:
    """One alert with its run, or None if the store has none of this id."""
    columns = (
        *ALERT_LINE, Alert.score, Alert.p_value, Alert.p_tail, Alert.segment, Alert.record, Alert.typical,
        Alert.neighbours, Alert.run_id, Run.input_name.label("run_input"), Run.created_at.label("run_created_at"),
        Run.model_id, Run.summary,
    )
    with engine.connect() as store:
        row = store.execute(select(*columns).join(Alert.run).where(Alert.id == alert_id)).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    histogram = values.pop("summary").get("score_histogram", {})
    lists = {name: tuple(values[name]) for name in ("reasons", "neighbours")}
    return AlertDetails(**{**values, **lists, "score_histogram": histogram})


def verdicts(engine: Engine, alert_id: str) -> list[VerdictLine]:
    """The history of an alert, newest first."""
    columns = (Verdict.verdict, Verdict.note, Verdict.author, Verdict.created_at)
    with engine.connect() as store:
        rows = store.execute(select(*columns).where(Verdict.alert_id == alert_id).order_by(Verdict.id.desc()))
        return [VerdictLine(**row) for row in rows.mappings()]


def place(engine: Engine, filters: Filters, line: AlertLine) -> Place:
    """Where this alert stands, or would stand, among those that the filters keep."""
    before, after = _beside(filters, line, 1), _beside(filters, line, -1)
    kept = select(Alert.id).where(*filters.conditions())
    with engine.connect() as store:
        ahead = store.scalar(select(func.count()).select_from(Alert).where(*filters.conditions(), before))
        return Place(
            (ahead or 0) + 1,
            store.scalar(_ordered(kept.where(before), filters, 1).limit(1)),
            store.scalar(_ordered(kept.where(after), filters, -1).limit(1)),
        )


def _in_state(state: str) -> ColumnElement[bool]:
    return Alert.verdict.is_(None) if state == "open" else Alert.verdict == state


def _ordered(query: Select[Any], filters: Filters, direction: Literal[1, -1]) -> Select[Any]:
    """Highest first (-1) or lowest first (1); records without a time come after all others."""
    column = filters.sorted_by
    if direction == 1:
        return query.order_by(column.asc().nulls_first(), Alert.id.asc())
    return query.order_by(column.desc().nulls_last(), Alert.id.desc())


def _beside(filters: Filters, line: AlertLine, direction: Literal[1, -1]) -> ColumnElement[bool]:
    """Condition of standing above (1) or below (-1) this alert in the queue's order."""
    column = filters.sorted_by
    value = line.risk if filters.order == "risk" else line.occurred_at
    this = tuple_(literal(value, column.type), literal(line.id))
    if direction == 1:
        if value is None:
            return or_(column.is_not(None), and_(column.is_(None), Alert.id > line.id))
        return tuple_(column, Alert.id) > this
    if value is None:
        return and_(column.is_(None), Alert.id < line.id)
    if filters.order == "risk":
        return tuple_(column, Alert.id) < this
    return or_(tuple_(column, Alert.id) < this, column.is_(None))


def give_verdict(store: AlertStore, alert_id: str, verdict: str, author: str, note: str) -> None:
    """Add a person's verdict to the history of an alert."""
    store.add_verdict(alert_id, verdict, author=author, note=note)
