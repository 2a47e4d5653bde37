"""Series as runs read them, and the spans that were alerted in them; private channels and entities are hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import formats
from access import Actor
from filters import of_run
from masking import MASK, Mask
from queries import ALERT_LINES
from sqlalchemy import ColumnElement, Engine, func, select

from anomaly_cl.alerts.models import Alert, Case, Run, Signal

MOST_SERIES = 500  # of a run, to choose from
MOST_SPANS = 300  # of a series, the riskiest


@dataclass(frozen=True)
class SeriesLine:
    """A series of a run, by its number from 1, which tells nothing of a private entity; `name` is "" without entity."""

    number: int
    name: str
    spans: int


@dataclass(frozen=True)
class Span:
    """An alerted span of a series; times as they are in the record."""

    id: str
    case_id: int
    start: datetime | None
    end: datetime | None
    risk: float
    verdict: str | None
    suppressed: bool
    reasons: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class SpanDetails(Span):
    """One span with its steps at full resolution; `version` is that of its case."""

    steps: int | None
    p_value: float
    signal: Mapping[str, Any] | None
    version: int


def runs_with_series(engine: Engine) -> set[str]:
    """Ids of the runs of which series were kept."""
    with engine.connect() as store:
        return set(store.scalars(select(Signal.run_id).distinct()))


def series_of(engine: Engine, actor: Actor, run_id: str) -> list[SeriesLine]:
    """The series of a run in the order of their names, at most 500, and how many alerted spans each shows."""
    names = select(Signal.entity).where(Signal.run_id == run_id).order_by(Signal.entity).limit(MOST_SERIES)
    counted = (select(Case.entity, func.count()).join(Alert, Alert.case_id == Case.id)
               .where(of_run(run_id), Alert.suppression_id.is_(None), Case.entity_column != "")
               .group_by(Case.entity))
    alone = select(func.count()).select_from(Alert).where(of_run(run_id), Alert.suppression_id.is_(None))
    with engine.connect() as store:
        entities = list(store.scalars(names))
        spans: dict[str, int] = dict(map(tuple, store.execute(counted)))
        if "" in entities:
            spans[""] = store.scalar(alone) or 0
        hidden = bool(_mask(engine, actor, run_id)) and _entity_is_private(engine, actor, run_id)
    return [SeriesLine(number, MASK if hidden and entity else entity, spans.get(entity, 0))
            for number, entity in enumerate(entities, 1)]


def number_of(engine: Engine, alert_id: str) -> tuple[str, int] | None:
    """The run and the number of the series that an alert is a span of; None if it is of none."""
    with engine.connect() as store:
        row = store.execute(select(Alert.run_id, Alert.entity).where(Alert.id == alert_id)).one_or_none()
        if row is None:
            return None
        names = store.scalars(select(Signal.entity).where(Signal.run_id == row.run_id).order_by(Signal.entity)
                              .limit(MOST_SERIES)).all()
    return (row.run_id, names.index(row.entity or "") + 1) if (row.entity or "") in names else None


def signal(engine: Engine, actor: Actor, run_id: str, number: int) -> dict[str, Any] | None:
    """The points of a run's series by its number, without private channels; None if there is none."""
    query = (select(Signal.points).where(Signal.run_id == run_id).order_by(Signal.entity)
             .limit(1).offset(max(number, 1) - 1))
    with engine.connect() as store:
        points = store.scalar(query)
    return _mask(engine, actor, run_id).signal(points)


def spans(engine: Engine, actor: Actor, run_id: str, number: int) -> list[Span]:
    """The riskiest alerted spans of a series, at most 300, in the order of time."""
    query = (ALERT_LINES.where(*_of_series(engine, run_id, number))
             .order_by(Alert.risk.desc(), Alert.id.desc()).limit(MOST_SPANS))
    with engine.connect() as store:
        rows = store.execute(query).mappings().all()
    found = [_span(actor, row) for row in rows]
    return sorted(found, key=lambda span: (str(span.start), span.id))


def span(engine: Engine, actor: Actor, alert_id: str) -> SpanDetails | None:
    """One alerted span with its steps, or None if the store has none of this id."""
    query = ALERT_LINES.add_columns(Alert.p_value, Alert.signal).where(Alert.id == alert_id)
    with engine.connect() as store:
        row = store.execute(query).mappings().one_or_none()
    if row is None:
        return None
    steps = row["record"].get("span steps")
    return SpanDetails(**vars(_span(actor, row)), steps=steps if isinstance(steps, int) else None,
                       p_value=row["p_value"], signal=Mask.of(actor, row["private"]).signal(row["signal"]),
                       version=row["version"])


def _span(actor: Actor, row: Mapping[str, Any]) -> Span:
    mask = Mask.of(actor, row["private"])
    record = row["record"]
    start, end = (formats.moment(record.get(f"span {name}")) for name in ("start", "end"))
    return Span(row["id"], row["case_id"], start or row["occurred_at"], end or row["occurred_at"], row["risk"],
                row["verdict"], bool(row["suppressed"]), [mask.reason(reason) for reason in row["reasons"]])


def _of_series(engine: Engine, run_id: str, number: int) -> list[ColumnElement[bool]]:
    query = (select(Signal.entity).where(Signal.run_id == run_id).order_by(Signal.entity)
             .limit(1).offset(max(number, 1) - 1))
    with engine.connect() as store:
        entity = store.scalar(query)
    met = [of_run(run_id)]
    if entity:
        met.append(Alert.case_id.in_(select(Case.id).where(Case.entity == entity)))
    return met


def _mask(engine: Engine, actor: Actor, run_id: str) -> Mask:
    with engine.connect() as store:
        return Mask.of(actor, store.scalar(select(Run.private).where(Run.id == run_id)))


def _entity_is_private(engine: Engine, actor: Actor, run_id: str) -> bool:
    """Whether the entity that the run's alerts are about is in a column that this person may not see.

    A run without alerts does not name that column: its entities are hidden.
    """
    with engine.connect() as store:
        first = select(Alert.id).where(of_run(run_id)).limit(1).scalar_subquery()
        column = store.scalar(select(Alert.entity_column).where(Alert.id == first))
    return column is None or _mask(engine, actor, run_id).hides(column)
