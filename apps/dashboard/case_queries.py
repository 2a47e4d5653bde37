"""One case and one alert of it, read for the person who asks: private columns are hidden from those who may not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from access import Actor
from formats import moment
from masking import MASK, Mask, masked_alert
from queries import ALERT_LINE, ALERT_LINES, CASE_LINE, AlertLine, CaseLine, alert_line, case_lines, everywhere
from sqlalchemy import Connection, Engine, func, literal, null, select, union_all

from anomaly_cl.alerts.models import Alert, Case, CaseEvent, EntityPast, Run, Verdict

MOST_ALERTS = 200  # of one case, listed
MOST_EVENTS = 200
MOST_CASES = 20  # of one entity, whose alerts its timeline shows
DECIDED_LATELY = 2_000  # verdicts among which similar alerts are looked for
SIMILAR_ALERTS = 6
LONGEST_CATEGORY = 200  # characters; a longer text is no category


@dataclass(frozen=True)
class AlertDetails(AlertLine):
    """One alert with all that the case page shows, and the run that raised it."""

    entity_column: str | None
    entity: str | None
    score: float
    p_value: float
    p_tail: float
    segment: str | None
    record: Mapping[str, Any]
    typical: Mapping[str, Any]
    neighbours: tuple[Mapping[str, Any], ...]
    explanation: Mapping[str, Any] | None
    signal: Mapping[str, Any] | None
    private: tuple[str, ...]
    run_id: str
    run_input: str
    run_created_at: datetime
    model_id: str
    score_histogram: Mapping[str, Any]


@dataclass(frozen=True)
class HistoryLine:
    """What a person did: a verdict on an alert, or a state, an assignee or a note of the case; times are UTC."""

    kind: str
    value: str | None
    reason: str
    note: str
    author: str
    created_at: datetime
    alert_id: str | None
    alert: str | None


@dataclass(frozen=True)
class Past:
    """What runs read of an entity: its records, oldest first, and the entities that behave like it."""

    records: tuple[Mapping[str, Any], ...]
    similar: tuple[SimilarEntity, ...]


@dataclass(frozen=True)
class SimilarEntity:
    """An entity that behaves like another, with what became of its own alerts; `case_id` is its newest case."""

    entity: str
    distance: float
    records: int
    alerts: int
    frauds: int
    case_id: int | None


@dataclass(frozen=True)
class SimilarAlert(AlertLine):
    """A decided alert that stands out by the same column."""

    reason: str
    note: str
    author: str
    decided_at: datetime


def case(engine: Engine, actor: Actor, case_id: int) -> CaseLine | None:
    """One case, or None if the store has none of this id."""
    with engine.connect() as store:
        rows = store.execute(select(*CASE_LINE).where(Case.id == case_id)).mappings().all()
        return next(iter(case_lines(store, actor, rows)), None)


def case_of(engine: Engine, alert_id: str) -> int | None:
    """The id of an alert's case, or None if the store has no such alert."""
    with engine.connect() as store:
        return store.scalar(select(Alert.case_id).where(Alert.id == alert_id))


def alert(engine: Engine, actor: Actor, alert_id: str) -> AlertDetails | None:
    """One alert with its run, or None if the store has none of this id."""
    columns = (
        *ALERT_LINE, Alert.entity_column, Alert.entity, Alert.score, Alert.p_value, Alert.p_tail, Alert.segment,
        Alert.typical, Alert.neighbours, Alert.explanation, Alert.signal, Alert.run_id,
        Run.input_name.label("run_input"), Run.created_at.label("run_created_at"), Run.model_id, Run.summary,
    )
    with engine.connect() as store:
        found = select(*columns).join(Alert.run).join(Alert.case).where(Alert.id == alert_id)
        row = store.execute(found).mappings().one_or_none()
    if row is None:
        return None
    values = masked_alert(Mask.of(actor, row["private"]), row)
    histogram = values.pop("summary").get("score_histogram", {})
    lists = {name: tuple(values[name] or ()) for name in ("reasons", "neighbours", "private")}
    return AlertDetails(**{**values, **lists, "score_histogram": histogram})


def alerts_of_case(engine: Engine, actor: Actor, case_id: int) -> list[AlertLine]:
    """Its alerts, riskiest first and those that are suppressed last; at most 200."""
    order = (Alert.suppression_id.is_not(None), Alert.risk.desc(), Alert.id.desc())
    ids = select(Alert.id).where(Alert.case_id == case_id).order_by(*order).limit(MOST_ALERTS)
    with engine.connect() as store:
        rows = store.execute(ALERT_LINES.where(Alert.id.in_(ids)).order_by(*order))
        return [alert_line(actor, row) for row in rows.mappings()]


def alerts_of_entity(engine: Engine, actor: Actor, case_id: int) -> list[AlertLine]:
    """Shown alerts of all cases of this case's entity; of the newest 20 cases, the 200 last."""
    this = select(Case.entity_column, Case.entity).where(Case.id == case_id).subquery()
    cases = select(Case.id).join(this, (Case.entity_column == this.c.entity_column) & (Case.entity == this.c.entity))
    newest = cases.order_by(Case.id.desc()).limit(MOST_CASES)
    order = (Alert.occurred_at.desc().nulls_last(), Alert.id)
    ids = (select(Alert.id).where(Alert.case_id.in_(newest), Alert.suppression_id.is_(None))
           .order_by(*order).limit(MOST_ALERTS))
    with engine.connect() as store:
        return [alert_line(actor, row) for row in
                store.execute(ALERT_LINES.where(Alert.id.in_(ids)).order_by(*order)).mappings()]


def suppressible(alert: AlertDetails) -> dict[str, Any]:
    """The cells by which alerts can be suppressed: entities, and texts that are no key, time or hidden value."""
    record = {**alert.record, **alert.entities}
    return {
        column: value for column, value in record.items()
        if value is not None and value != MASK and (column in alert.entities or (
            isinstance(value, str | bool) and str(value) != alert.key and moment(value) is None
            and len(str(value)) <= LONGEST_CATEGORY))
    }


def open_alerts(engine: Engine, case_ids: Sequence[int]) -> list[str]:
    """Ids of the alerts of these cases that are shown and without a verdict."""
    met = (Alert.case_id.in_(case_ids), Alert.verdict.is_(None), Alert.suppression_id.is_(None))
    with engine.connect() as store:
        return list(store.scalars(select(Alert.id).where(*met).order_by(Alert.id)))


def history(engine: Engine, actor: Actor, case_id: int) -> list[HistoryLine]:
    """Verdicts on the case's alerts and what happened to the case, newest first; at most 200."""
    given = select(
        literal("verdict").label("kind"), Verdict.verdict.label("value"), Verdict.reason, Verdict.note, Verdict.author,
        Verdict.created_at, Verdict.alert_id, literal(1).label("source"), Verdict.id,
    ).join(Verdict.alert).where(Alert.case_id == case_id)
    happened = select(
        CaseEvent.kind, CaseEvent.value, literal("").label("reason"), CaseEvent.note, CaseEvent.author,
        CaseEvent.created_at, null().label("alert_id"), literal(0).label("source"), CaseEvent.id,
    ).where(CaseEvent.case_id == case_id)
    both = union_all(given, happened).subquery()
    newest = select(both).order_by(both.c.created_at.desc(), both.c.source, both.c.id.desc()).limit(MOST_EVENTS)
    with engine.connect() as store:
        rows = store.execute(newest).mappings().all()
        named = _titles(store, actor, {row["alert_id"] for row in rows} - {None})
    return [HistoryLine(row["kind"], row["value"], row["reason"], row["note"], row["author"], row["created_at"],
                        row["alert_id"], named.get(row["alert_id"])) for row in rows]


def _titles(store: Connection, actor: Actor, ids: set[str]) -> dict[str, str]:
    rows = store.execute(ALERT_LINES.where(Alert.id.in_(ids))).mappings()
    return {row["id"]: alert_line(actor, row).title for row in rows}


def past(engine: Engine, actor: Actor, alert: AlertDetails) -> Past:
    """What all runs read of the alert's entity, and the entities that behaved like it in the last of them."""
    this = select(Alert.entity_column, Alert.entity).where(Alert.id == alert.id).subquery()
    # the runs are named, because the key of the table begins with them
    mine = (EntityPast.run_id.in_(select(Run.id)), EntityPast.entity_column == this.c.entity_column,
            EntityPast.entity == this.c.entity)
    with engine.connect() as store:
        rows = store.execute(select(EntityPast.records, EntityPast.similar).join(Run, Run.id == EntityPast.run_id)
                             .where(*mine).order_by(Run.created_at, Run.id)).all()
        mask = everywhere(store, actor)
        hidden = {"key": bool(mask) and alert.key == MASK, "amount": bool(mask) and alert.amount is None}
        records = _merged([mask.past(row.records, **hidden) for row in rows])
        similar = _similar(store, alert.entity_column or "", rows[-1].similar if rows else [], mask)
    return Past(records, similar)


def _merged(parts: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[Mapping[str, Any], ...]:
    """Records of several runs in the order of their time, those of the same key and time once, as last read."""
    found = {(record.get("key"), record.get("time"), number if record.get("key") in (None, MASK) else 0): record
             for part in parts for number, record in enumerate(part)}
    return tuple(sorted(found.values(), key=lambda record: str(record.get("time") or "")))


def _similar(store: Connection, column: str, similar: Sequence[Mapping[str, Any]], mask: Mask
             ) -> tuple[SimilarEntity, ...]:
    entities = [str(one["entity"]) for one in similar]
    shown = Alert.suppression_id.is_(None)
    counted = select(
        Case.entity, func.count(Alert.id).filter(shown).label("alerts"),
        func.count(Alert.id).filter(shown, Alert.verdict == "fraud").label("frauds"), func.max(Case.id).label("case"),
    ).join(Alert, Alert.case_id == Case.id).where(Case.entity_column == column, Case.entity.in_(entities))
    known = {row.entity: row for row in store.execute(counted.group_by(Case.entity))}
    lines = []
    for one, entity in zip(similar, entities, strict=True):
        row = known.get(entity)
        lines.append(SimilarEntity(
            mask.entity(column, entity) or "", float(one["distance"]), int(one["records"]),
            row.alerts if row else 0, row.frauds if row else 0, row.case if row else None))
    return tuple(lines)


def similar_alerts(engine: Engine, actor: Actor, alert: AlertDetails) -> list[SimilarAlert]:
    """Alerts of the same model that were decided lately and stand out most by the same column, closest in risk first.

    Those that share the second column too come before the others. "Lately" are the last 2,000 verdicts.
    """
    if not alert.reasons:
        return []
    first, second = (Alert.reasons[(place, "column")].as_string() for place in (0, 1))
    lately = select(Verdict.id, Verdict.alert_id).order_by(Verdict.id.desc()).limit(DECIDED_LATELY).subquery()
    newest = select(func.max(lately.c.id)).group_by(lately.c.alert_id)
    order = [func.abs(Alert.risk - alert.risk), Verdict.id.desc()]
    if len(alert.reasons) > 1:
        order.insert(0, func.coalesce(second, "") != alert.reasons[1]["column"])
    columns = (*ALERT_LINE, Verdict.reason, Verdict.note, Verdict.author, Verdict.created_at.label("decided_at"))
    query = (
        select(*columns).join(Verdict, Verdict.alert_id == Alert.id).join(Alert.run).join(Alert.case)
        .where(Verdict.id.in_(newest), Alert.id != alert.id, Run.model_id == alert.model_id,
               first == alert.reasons[0]["column"])
        .order_by(*order).limit(SIMILAR_ALERTS)
    )
    extra = ("reason", "note", "author", "decided_at")
    with engine.connect() as store:
        rows = store.execute(query).mappings().all()
    lines = []
    for row in rows:
        line = alert_line(actor, {name: value for name, value in row.items() if name not in extra})
        lines.append(SimilarAlert(**vars(line), **{name: row[name] for name in extra}))
    return lines
