"""What the overview, the map and the model page read of the store; private columns are hidden as in `queries`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from access import Actor
from filters import of_run
from masking import Mask
from queries import ALERT_LINES, RUN_LINE, AlertLine, RunLine, alert_line
from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import aliased

from anomaly_cl.alerts.models import VERDICTS, Alert, Case, Run, StoredModel, Suppression, Verdict

MOST_POINTS = 5_000  # alerts on a map, the riskiest
MOST_SELECTED = 200
MOST_DAYS = 90  # of verdicts
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Workload:
    """What waits for people: open cases, those of the person who asks and of nobody, and what is suppressed."""

    open_cases: int
    mine: int
    unassigned: int
    suppressed: int
    suppressions: int


@dataclass(frozen=True)
class MapPoint:
    """An alert's place among normal records."""

    id: str
    x: float
    y: float
    risk: float
    verdict: str | None


@dataclass(frozen=True)
class ModelLine:
    """One model of the store, and its newest run."""

    id: str
    runs: int
    newest: datetime
    kept: bool


@dataclass(frozen=True)
class ModelDetails:
    """What was kept of a model, as the person may see it; `facts` is empty where runs came without them."""

    id: str
    facts: Mapping[str, Any]
    created_at: datetime | None
    runs: Sequence[RunLine]
    newest_drift: Mapping[str, Any] | None


def workload(engine: Engine, actor: Actor) -> Workload:
    """Counts over the whole store."""
    # in a form that no index begins with: one that covers all that is counted is scanned
    open_case = (func.coalesce(Case.state, "") != "closed", Case.alerts_shown > 0)
    now, lifting = datetime.now(UTC).replace(tzinfo=None), aliased(Suppression)
    cases = select(func.count(), func.count().filter(Case.assignee == actor.name),
                   func.count().filter(Case.assignee.is_(None))).select_from(Case).where(*open_case)
    suppressed = select(func.count()).select_from(Alert).where(Alert.suppression_id.is_not(None))
    active = select(func.count()).select_from(Suppression).where(
        Suppression.lifts.is_(None), Suppression.until > now,
        ~select(lifting.id).where(lifting.lifts == Suppression.id).exists())
    with engine.connect() as store:
        return Workload(*store.execute(cases).one(), store.scalar(suppressed) or 0, store.scalar(active) or 0)


def verdicts_a_day(engine: Engine, run_id: str) -> list[tuple[str, dict[str, int]]]:
    """Verdicts given on a run's alerts, those taken back too: [(ISO date, {verdict: number})], at most 90 days."""
    day = func.date(Verdict.created_at)
    counted = [func.count().filter(Verdict.verdict == verdict).label(verdict) for verdict in VERDICTS]
    # of the decided alerts, the ids are read from an index: the alerts themselves are wide
    decided = select(Alert.id).where(of_run(run_id), Alert.verdict.is_not(None))
    query = (select(day.label("day"), *counted).where(Verdict.alert_id.in_(decided))
             .group_by(day).order_by(day.desc()).limit(MOST_DAYS))
    with engine.connect() as store:
        rows = store.execute(query).mappings().all()
    return [(str(row["day"])[:10], {verdict: row[verdict] for verdict in VERDICTS}) for row in reversed(rows)]


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """The interval that covers a share in 95 of 100 samples (Wilson 1927); None without trials.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    if not trials:
        return None
    z2, share = NORMAL_95**2, successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def mapped_runs(engine: Engine) -> set[str]:
    """Ids of the runs that have a map."""
    with engine.connect() as store:
        return set(store.scalars(select(Run.id).where(Run.summary[("map", "method")].as_string().is_not(None))))


def map_points(engine: Engine, run_id: str) -> list[MapPoint]:
    """The riskiest of a run's alerts that have a place on its map, at most 5,000, the least risky first."""
    query = select(Alert.id, Alert.map_x, Alert.map_y, Alert.risk, Alert.verdict).where(
        Alert.id.in_(_picked(run_id).scalar_subquery()), Alert.map_x.is_not(None), Alert.map_y.is_not(None))
    with engine.connect() as store:
        return [MapPoint(*row) for row in store.execute(query.order_by(Alert.risk, Alert.id))]


def alerts_within(engine: Engine, actor: Actor, run_id: str, low: tuple[float, float], high: tuple[float, float]
                  ) -> tuple[list[AlertLine], int]:
    """The alerts on a run's map between two corners (x, y), riskiest first and at most 200, and how many there are."""
    order = (Alert.risk.desc(), Alert.id.desc())
    inside = select(Alert.id).where(
        Alert.id.in_(_picked(run_id).scalar_subquery()), Alert.map_x.between(low[0], high[0]),
        Alert.map_y.between(low[1], high[1])).order_by(*order)
    with engine.connect() as store:
        ids = store.scalars(inside).all()
        rows = store.execute(ALERT_LINES.where(Alert.id.in_(ids[:MOST_SELECTED])).order_by(*order))
        return [alert_line(actor, row) for row in rows.mappings()], len(ids)


def alert_named(engine: Engine, actor: Actor, alert_id: str) -> AlertLine | None:
    """One alert, None if the store has none of this id."""
    with engine.connect() as store:
        row = store.execute(ALERT_LINES.where(Alert.id == alert_id)).mappings().one_or_none()
    return None if row is None else alert_line(actor, row)


def _picked(run_id: str) -> Select[tuple[str]]:
    return (select(Alert.id).where(of_run(run_id), Alert.suppression_id.is_(None))
            .order_by(Alert.risk.desc(), Alert.id.desc()).limit(MOST_POINTS))


def models(engine: Engine) -> list[ModelLine]:
    """The models that runs were scored by, the one of the newest run first."""
    newest = func.max(Run.created_at)
    query = (select(Run.model_id, func.count(), newest, StoredModel.id.is_not(None))
             .outerjoin(StoredModel, StoredModel.id == Run.model_id)
             .group_by(Run.model_id, StoredModel.id).order_by(newest.desc(), Run.model_id))
    with engine.connect() as store:
        return [ModelLine(row[0], row[1], row[2], bool(row[3])) for row in store.execute(query)]


def model(engine: Engine, actor: Actor, model_id: str) -> ModelDetails | None:
    """One model with its runs, newest first, or None if no run was scored by it."""
    with engine.connect() as store:
        rows = store.execute(select(*RUN_LINE, Run.private, Run.summary["drift"].label("drift"))
                             .where(Run.model_id == model_id).order_by(Run.created_at.desc(), Run.id)).mappings().all()
        if not rows:
            return None
        kept = store.execute(select(StoredModel.facts, StoredModel.created_at)
                             .where(StoredModel.id == model_id)).one_or_none()
    mask = Mask.of(actor, {column for row in rows for column in row["private"] or ()})
    lines = [RunLine(**{name: value for name, value in row.items() if name not in ("private", "drift")})
             for row in rows]
    drift = next((row["drift"] for row in rows if row["drift"]), None)
    facts, since = (mask.segments(mask.tree(kept.facts)), kept.created_at) if kept else ({}, None)
    return ModelDetails(model_id, facts, since, lines, drift)
