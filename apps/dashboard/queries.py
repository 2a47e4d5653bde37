"""The only door from the dashboard to the alert store: typed questions in, frozen rows out; all work is done in SQL.

Here are the runs and the lists of the queue; `case_queries` reads one case, `decisions` writes, `export` streams a
list. What shows records takes the actor who asks, and hides private columns from those who may not see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from access import Actor
from filters import ORDERS, STATES, Filters, in_alert_state, in_case_state, sorting
from masking import Mask, masked_alert
from sqlalchemy import Connection, Engine, Select, func, select

from anomaly_cl.alerts.models import VERDICTS, Alert, Case, Run, SavedFilter
from anomaly_cl.alerts.store import AlertStore, open_store

__all__ = ["ORDERS", "PAGE_SIZE", "STATES", "AlertLine", "CaseLine", "Filters", "Place", "RunDetails", "RunLine",
           "StateCounts", "alerts", "cases", "counts", "opened", "place", "run", "runs", "saved_filters",
           "state_counts"]

PAGE_SIZE = 50
MOST_RUNS = 200
MOST_SAVED = 200


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
    """Alerts by the verdict that stands, without those that are suppressed."""

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
    """One alert, as the queue lists it, with the version of its case."""

    id: str
    case_id: int
    risk: float
    key: str | None
    row_number: int
    entities: Mapping[str, Any]
    occurred_at: datetime | None
    amount: float | None
    reasons: tuple[Mapping[str, Any], ...]
    verdict: str | None
    suppressed: bool
    version: int

    @property
    def title(self) -> str:
        """The record's key, or its row number where the table has no key."""
        return self.key if self.key is not None else f"row {self.row_number:,}"


@dataclass(frozen=True)
class CaseLine:
    """One case, as the queue lists it; `riskiest` is the alert that it is listed for, None where all are suppressed."""

    id: int
    entity_column: str
    entity: str
    state: str
    assignee: str | None
    verdict: str | None
    version: int
    alerts_shown: int
    alerts_open: int
    risk: float
    amount: float | None
    opened_at: datetime
    last_at: datetime | None
    riskiest: AlertLine | None

    @property
    def title(self) -> str:
        """The entity, or the record where a case is about one record only."""
        return self.entity if self.entity_column or self.riskiest is None else self.riskiest.title


@dataclass(frozen=True)
class Place:
    """Where a row stands in a filtered list: its position from 1, and the ids of the rows before and after it."""

    position: int
    previous: Any
    next: Any


@dataclass(frozen=True)
class FilterLine:
    """A saved filter: the query of an address, under a name."""

    id: int
    name: str
    query: str
    author: str


RUN_LINE = (Run.id, Run.input_name, Run.policy, Run.alerts_raised, Run.created_at)
ALERT_LINE = (Alert.id, Alert.case_id, Alert.risk, Alert.key, Alert.row_number, Alert.entities, Alert.occurred_at,
              Alert.amount, Alert.reasons, Alert.verdict, Alert.suppression_id.is_not(None).label("suppressed"),
              Case.version, Alert.record, Run.private)
CASE_LINE = (Case.id, Case.entity_column, Case.entity, Case.state, Case.assignee, Case.verdict, Case.version,
             Case.alerts_shown, Case.alerts_open, Case.risk, Case.amount, Case.opened_at, Case.last_at)
ALERT_LINES = select(*ALERT_LINE).join(Alert.run).join(Alert.case)


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
    counted = [func.count().filter(in_alert_state(state)).label(state) for state in ("open", *VERDICTS)]
    with engine.connect() as store:
        return StateCounts(**store.execute(select(*counted).where(*filters.conditions())).mappings().one())


def counts(engine: Engine, actor: Actor, filters: Filters) -> dict[str | None, int]:
    """How many rows each state of the view holds, the other filters kept; under None how many are shown in all."""
    in_state = in_case_state if filters.view == "cases" else in_alert_state
    states = [None, *STATES[filters.view]]
    counted = [func.count().filter(in_state(state)) for state in states]
    others = filters.conditions(actor, in_any_state=True)
    with engine.connect() as store:
        row = store.execute(select(*counted).select_from(_table(filters)).where(*others)).one()
    return dict(zip(states, row, strict=True))


def alerts(engine: Engine, actor: Actor, filters: Filters, page: int = 1, page_size: int = PAGE_SIZE
           ) -> list[AlertLine]:
    """One page of the alerts, counted from 1; empty past the end."""
    # The ids are picked from an index alone; only the shown rows, whose JSON is wide, are read from the table.
    shown = Alert.id.in_(picked_ids(actor, filters, page, page_size).scalar_subquery())
    with engine.connect() as store:
        rows = store.execute(sorting(filters).of(ALERT_LINES.where(shown)))
        return [alert_line(actor, row) for row in rows.mappings()]


def cases(engine: Engine, actor: Actor, filters: Filters, page: int = 1, page_size: int = PAGE_SIZE) -> list[CaseLine]:
    """One page of the cases, counted from 1; empty past the end."""
    shown = Case.id.in_(picked_ids(actor, filters, page, page_size).scalar_subquery())
    with engine.connect() as store:
        rows = store.execute(sorting(filters).of(select(*CASE_LINE).where(shown))).mappings().all()
        return case_lines(store, actor, rows)


def picked_ids(actor: Actor, filters: Filters, page: int, page_size: int) -> Select[Any]:
    """The ids of one page of the list, in order."""
    order = sorting(filters)
    kept = order.of(select(order.id).where(*filters.conditions(actor)))
    return kept.limit(page_size).offset(page_size * (max(page, 1) - 1))


def place(engine: Engine, actor: Actor, filters: Filters, row_id: Any) -> Place:
    """Where the row of this id stands, or would stand, among those that the filters keep."""
    order, met = sorting(filters), filters.conditions(actor)
    kept = select(order.id).where(*met)
    with engine.connect() as store:
        value = store.scalar(select(order.column).where(order.id == row_id))
        before, after = order.beside(value, row_id, before=True), order.beside(value, row_id, before=False)
        ahead = store.scalar(select(func.count()).select_from(_table(filters)).where(*met, before))
        return Place(
            (ahead or 0) + 1,
            store.scalar(order.of(kept.where(before), backwards=True).limit(1)),
            store.scalar(order.of(kept.where(after)).limit(1)),
        )


def saved_filters(engine: Engine) -> list[FilterLine]:
    """Everybody's saved filters by name, at most 200."""
    columns = (SavedFilter.id, SavedFilter.name, SavedFilter.query, SavedFilter.author)
    with engine.connect() as store:
        rows = store.execute(select(*columns).order_by(SavedFilter.name, SavedFilter.author).limit(MOST_SAVED))
        return [FilterLine(**row) for row in rows.mappings()]


def alert_line(actor: Actor, row: Mapping[str, Any]) -> AlertLine:
    """A row of ALERT_LINE as this person may see it."""
    values = dict(row)
    shown = masked_alert(Mask.of(actor, values.pop("private")), values)
    del shown["record"]
    return AlertLine(**{**shown, "reasons": tuple(shown["reasons"])})


def case_lines(store: Connection, actor: Actor, rows: Sequence[Mapping[str, Any]]) -> list[CaseLine]:
    """Rows of CASE_LINE as this person may see them, each with its riskiest alert."""
    riskiest, mask = _riskiest(store, actor, [row["id"] for row in rows]), everywhere(store, actor)
    lines = []
    for row in rows:
        alert = riskiest.get(row["id"])
        hidden = mask and (alert is None or alert.amount is None)
        lines.append(CaseLine(**{
            **row, "riskiest": alert, "entity": mask.entity(row["entity_column"], row["entity"]),
            "amount": None if hidden else row["amount"],
        }))
    return lines


def everywhere(store: Connection, actor: Actor) -> Mask:
    """Hides what is private in any run: of an entity, which no run alone is about."""
    if actor.sees_private:
        return Mask()
    return Mask.of(actor, {column for private in store.scalars(select(Run.private)) for column in private or ()})


def _riskiest(store: Connection, actor: Actor, ids: Iterable[int]) -> dict[int, AlertLine]:
    """The riskiest alert of each case; one that is suppressed only where all are."""
    rank = func.row_number().over(partition_by=Alert.case_id, order_by=(Alert.suppression_id.is_not(None),
                                                                        Alert.risk.desc(), Alert.id.desc()))
    ranked = select(Alert.id, rank.label("rank")).where(Alert.case_id.in_(list(ids))).subquery()
    first = select(ranked.c.id).where(ranked.c.rank == 1)
    rows = store.execute(ALERT_LINES.where(Alert.id.in_(first))).mappings()
    return {row["case_id"]: alert_line(actor, row) for row in rows}


def _table(filters: Filters) -> type[Case] | type[Alert]:
    return Case if filters.view == "cases" else Alert
