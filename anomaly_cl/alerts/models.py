"""Tables of the alert store: runs, their alerts, the cases these form, and what people decided of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

VERDICTS = ("fraud", "legitimate", "unsure")
CASE_STATES = ("new", "in review", "closed")
EVENT_KINDS = ("state", "assignee", "note")
# offered, not required: a reason is free text
VERDICT_REASONS = {
    "fraud": ("card or account taken over", "customer denies it", "known pattern of fraud",
              "merchant or partner involved", "false identity or documents"),
    "legitimate": ("confirmed by the customer", "explained by context", "usual for this customer", "error in the data",
                   "already known and accepted"),
    "unsure": ("customer not reached", "evidence is missing", "asked a colleague"),
}


class Moment(TypeDecorator[datetime]):
    """A time, kept as naive UTC: one with an offset is converted, one without is taken as UTC, a date as midnight."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> datetime | None:
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return None if value is None else datetime.combine(value, time.min)


def utc_now() -> datetime:
    """The time now, as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


# what the queue filters by, sorts by and counts, so that one index serves each order
QUEUE_COLUMNS = ("risk", "occurred_at", "amount", "verdict", "suppression_id", "run_id", "case_id", "name")
RUN_COLUMNS = ("run_id", "score", "row_number", "p_value", "p_tail", "verdict", "occurred_at", "case_id", "segment")
CASE_QUEUE_COLUMNS = ("risk", "amount", "opened_at", "last_at", "state", "verdict", "assignee", "alerts_shown",
                      "alerts_open", "entity")
NOT_CLOSED = "state <> 'closed'"
HIDDEN = "suppression_id IS NOT NULL"


class Base(DeclarativeBase):
    """Parent of all tables."""

    type_annotation_map = {datetime: Moment}  # noqa: RUF012


class Run(Base):
    """One scoring of one input by one model under one policy.

    `summary` holds what the overview draws: {"score_histogram": {"edges": [...], "counts": [...]}, "risk_histogram":
    the same, "alerts_at": [[p, rows with p-value <= p], ...], "days": [[ISO date, rows scored, alerts], ...],
    "cut": how the policy chose, see `anomaly_cl.scoring.policy.Policy.cut`, "drift": see
    `anomaly_cl.scoring.drift_verdict.DriftVerdict.as_dict`, "map": normal rows in the plane of `Alert.map_x` and
    `map_y`}. `private` are the columns that not everybody may see. Times are naive UTC.
    """

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_id: Mapped[str] = mapped_column(String(64))
    input_name: Mapped[str] = mapped_column(Text)
    input_hash: Mapped[str] = mapped_column(String(64))
    where_clause: Mapped[str] = mapped_column(Text, default="")
    policy: Mapped[str] = mapped_column(Text)
    rows_in: Mapped[int] = mapped_column(BigInteger)
    rows_scored: Mapped[int] = mapped_column(BigInteger)
    rows_rejected: Mapped[int] = mapped_column(BigInteger)
    alerts_raised: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    private: Mapped[list[str]] = mapped_column(JSON, default=list, server_default=text("'[]'"))
    created_at: Mapped[datetime]

    alerts: Mapped[list[Alert]] = relationship(back_populates="run")


class Alert(Base):
    """A scored record past the policy.

    `record`: {column: value} of the record; `typical`: {column: value} that normal records have there; `reasons`:
    [{"column", "contribution", "value", "typical"}, ...], strongest first; `neighbours`: its nearest normal rows,
    [{column: value}, ...]; `entities`: {column: value}; `name`: the key and entities as text, for searching. The id
    is a digest of model and key (of model, input and row number where there is no key), so that the same record scored
    again is the same alert. `verdict` repeats the newest verdict, so that the queue is filtered without a join.
    `entity_column` and `entity` (its text) name whom the case is about; `amount` is what is at stake. `explanation`:
    see `anomaly_cl.detectors.explanation.Explanation.to_dict`. `map_x` and `map_y` place the record among normal
    ones; `signal` holds the steps around a span: {"time": [...], "channels": {name: [...]}, "surprise": {name:
    [...]}}. An alert that a suppression hides is not in the queue.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        # covering: the queue filters, sorts and counts within one of them, without reading the records
        *(Index(f"ix_alerts_by_{order}", *dict.fromkeys([column, "id", *QUEUE_COLUMNS]))
          for order, column in (("risk", "risk"), ("time", "occurred_at"), ("amount", "amount"))),
        Index("ix_alerts_case", "case_id", "occurred_at", "suppression_id", "verdict", "risk", "amount"),
        # of the few that are hidden only: nearly all alerts have none, and must not be looked for in here
        Index("ix_alerts_suppression", "suppression_id", sqlite_where=text(HIDDEN), postgresql_where=text(HIDDEN)),
        # covering: what another policy would have kept of a run is counted within it
        Index("ix_alerts_run", *RUN_COLUMNS),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    suppression_id: Mapped[int | None] = mapped_column(ForeignKey("suppressions.id"))
    row_number: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime | None]
    score: Mapped[float] = mapped_column(Double)
    p_value: Mapped[float] = mapped_column(Double)
    p_tail: Mapped[float] = mapped_column(Double)
    risk: Mapped[float] = mapped_column(Double)
    segment: Mapped[str | None] = mapped_column(Text)
    entity_column: Mapped[str | None] = mapped_column(Text)
    entity: Mapped[str | None] = mapped_column(Text)
    amount: Mapped[float | None] = mapped_column(Double)
    entities: Mapped[dict[str, Any]] = mapped_column(JSON)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    typical: Mapped[dict[str, Any]] = mapped_column(JSON)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    neighbours: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    explanation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    map_x: Mapped[float | None] = mapped_column(Double)
    map_y: Mapped[float | None] = mapped_column(Double)
    signal: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    verdict: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]

    run: Mapped[Run] = relationship(back_populates="alerts")
    case: Mapped[Case] = relationship(back_populates="alerts")
    verdicts: Mapped[list[Verdict]] = relationship(back_populates="alert", order_by="Verdict.id")


class Verdict(Base):
    """What a person decided of an alert; never changed or deleted, the newest one stands."""

    __tablename__ = "verdicts"
    __table_args__ = (
        CheckConstraint(f"verdict IN {VERDICTS}", name="ck_verdicts_verdict"),
        Index("ix_verdicts_alert", "alert_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"))
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    note: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]

    alert: Mapped[Alert] = relationship(back_populates="verdicts")


class Case(Base):
    """The alerts of one entity that are worked through together; of a record without entity, its alert alone.

    `entity_column` and `entity` name the entity; without one they are "" and the alert's id. An entity has one case
    that is not closed at most: its new alerts join that one, or open another. `version` counts the writes, so that one
    that rests on an older reading is refused; the last write is told by `changed_what` ("verdict fraud on 2 alerts"),
    `changed_by` and `changed_at`. The numbers repeat what the alerts that are not suppressed say: how many, how many of
    them are open, the highest risk, the sum of amounts, and the times of the first and the last record; `verdict` is
    fraud if one of them is, else unsure, else legitimate. A case whose alerts are all suppressed shows none.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint(f"state IN {CASE_STATES}", name="ck_cases_state"),
        Index("ix_cases_entity", "entity_column", "entity"),
        Index("ix_cases_one_open", "entity_column", "entity", unique=True, sqlite_where=text(NOT_CLOSED),
              postgresql_where=text(NOT_CLOSED)),
        *(Index(f"ix_cases_by_{order}", *dict.fromkeys([column, "id", *CASE_QUEUE_COLUMNS]))
          for order, column in (("risk", "risk"), ("amount", "amount"), ("age", "opened_at"), ("time", "last_at"))),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    entity_column: Mapped[str] = mapped_column(Text)
    entity: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    assignee: Mapped[str | None] = mapped_column(Text)
    verdict: Mapped[str | None] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(default=1)
    alerts_shown: Mapped[int] = mapped_column(BigInteger, default=0)
    alerts_open: Mapped[int] = mapped_column(BigInteger, default=0)
    risk: Mapped[float] = mapped_column(Double, default=0.0)
    amount: Mapped[float | None] = mapped_column(Double)
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    changed_what: Mapped[str] = mapped_column(Text, default="opened")
    changed_by: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)

    alerts: Mapped[list[Alert]] = relationship(back_populates="case")
    events: Mapped[list[CaseEvent]] = relationship(back_populates="case", order_by="CaseEvent.id")


class CaseEvent(Base):
    """What happened to a case: a new state, a new assignee or a note; never changed or deleted."""

    __tablename__ = "case_events"
    __table_args__ = (
        CheckConstraint(f"kind IN {EVENT_KINDS}", name="ck_case_events_kind"),
        Index("ix_case_events_case", "case_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]

    case: Mapped[Case] = relationship(back_populates="events")


class Suppression(Base):
    """Alerts whose record has a value in a column are kept out of the queue, if they are open or arrive before `until`.

    Never changed or deleted: a row with `lifts` ends that earlier one, whose alerts are then in the queue again.
    """

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    column: Mapped[str] = mapped_column("column_name", Text)
    value: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime]
    lifts: Mapped[int | None] = mapped_column(ForeignKey("suppressions.id"))
    reason: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class SavedFilter(Base):
    """Filters of the queue under a name, as the query of an address; everybody sees them, their author deletes them."""

    __tablename__ = "saved_filters"
    __table_args__ = (UniqueConstraint("author", "name", name="uq_saved_filters_name"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class StoredModel(Base):
    """What a model was when it raised alerts: training data, calibration curve, settings and versions."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class EntityPast(Base):
    """The last records of an alerted entity that a run read, oldest first, and the entities that behave like it.

    `records`: [{"time", "key", "amount", "risk", "alert"}, ...]; `similar`: [{"entity", "distance", "records"}, ...].
    """

    __tablename__ = "entity_pasts"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    entity_column: Mapped[str] = mapped_column(Text, primary_key=True)
    entity: Mapped[str] = mapped_column(Text, primary_key=True)
    records: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    similar: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class Signal(Base):
    """A whole series as a run read it, thinned to what a screen shows; the entity is "" where there is none.

    `points`: {"time": [...], "channels": {name: {"low": [...], "high": [...]}}, "surprise": [...]}, of equal lengths.
    """

    __tablename__ = "signals"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    entity: Mapped[str] = mapped_column(Text, primary_key=True)
    points: Mapped[dict[str, Any]] = mapped_column(JSON)
