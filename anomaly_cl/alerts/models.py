"""Tables of the alert store: runs, their alerts, and the verdicts that people gave."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Dialect, Double, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

VERDICTS = ("fraud", "legitimate", "unsure")


class Moment(TypeDecorator[datetime]):
    """A time, kept as naive UTC: one with an offset is converted, one without is taken as UTC, a date as midnight."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> datetime | None:
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return None if value is None else datetime.combine(value, time.min)


class Base(DeclarativeBase):
    """Parent of all tables."""

    type_annotation_map = {datetime: Moment}  # noqa: RUF012


class Run(Base):
    """One scoring of one input by one model under one policy.

    `summary` holds what the overview draws: {"score_histogram": {"edges": [...], "counts": [...]}, "risk_histogram":
    the same, "alerts_at": [[p, rows with p-value <= p], ...], "days": [[ISO date, rows scored, alerts], ...],
    "cut": how the policy chose, see `anomaly_cl.scoring.policy.Policy.cut`}.
    Times are naive UTC.
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
    created_at: Mapped[datetime]

    alerts: Mapped[list[Alert]] = relationship(back_populates="run")


class Alert(Base):
    """A scored record past the policy.

    `record`: {column: value} of the record; `typical`: {column: value} that normal records have there; `reasons`:
    [{"column", "contribution", "value", "typical"}, ...], strongest first; `neighbours`: its nearest normal rows,
    [{column: value}, ...]; `entities`: {column: value}; `name`: the key and entities as text, for searching. The id
    is a digest of model and key (of model, input and row number where there is no key), so that the same record scored
    again is the same alert. `verdict` repeats the newest verdict, so that the queue is filtered without a join.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        # covering: the queue filters, sorts and counts within one of them, without reading the records
        Index("ix_alerts_by_risk", "risk", "id", "verdict", "run_id", "occurred_at", "name"),
        Index("ix_alerts_by_time", "occurred_at", "id", "verdict", "run_id", "risk", "name"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    row_number: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime | None]
    score: Mapped[float] = mapped_column(Double)
    p_value: Mapped[float] = mapped_column(Double)
    p_tail: Mapped[float] = mapped_column(Double)
    risk: Mapped[float] = mapped_column(Double)
    segment: Mapped[str | None] = mapped_column(Text)
    entities: Mapped[dict[str, Any]] = mapped_column(JSON)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    typical: Mapped[dict[str, Any]] = mapped_column(JSON)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    neighbours: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    verdict: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]

    run: Mapped[Run] = relationship(back_populates="alerts")
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
    note: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]

    alert: Mapped[Alert] = relationship(back_populates="verdicts")
