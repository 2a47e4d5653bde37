"""What is written to the store: decisions, suppressions and new runs; they are timed on a copy of it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from anomaly_cl.alerts.models import Alert, Case, utc_now
from anomaly_cl.alerts.store import AlertStore, open_store
from apps.benchmark.dashboard.building import RUNS
from apps.benchmark.dashboard.population import Month, Population
from apps.benchmark.dashboard.questions import Known
from apps.benchmark.dashboard.timing import Took, took

HIDDEN, NEW, BULK, MANY = 5_000, 10_000, 50, 1_000


def write_times(file: Path, known: Known, alerts: int) -> Iterator[tuple[str, Took]]:
    """(what is written, its time) on a copy of the store, which is deleted."""
    copy = file.with_suffix(".copy")
    shutil.copyfile(file, copy)
    try:
        with open_store(copy) as store:
            yield from _timed(store, known, alerts)
    finally:
        for left in copy.parent.glob(f"{copy.name}*"):
            left.unlink()


def _timed(store: AlertStore, known: Known, alerts: int) -> Iterator[tuple[str, Took]]:
    by = "m.keller"
    with store.engine.connect() as connection:
        undecided = select(Alert.id).where(Alert.verdict.is_(None)).order_by(Alert.risk.desc())
        ids = list(connection.scalars(undecided.limit(BULK + MANY)))
        version = connection.scalar(select(Case.version).where(Case.id == known.case)) or 0
    first, some, many = known.alert, ids[:BULK], ids[BULK:]
    yield "one verdict, in the busiest case", took(
        lambda: store.add_verdict(first, "fraud", author=by, note="by phone", version=version))
    yield f"{BULK} verdicts", took(lambda: store.decide(some, "legitimate", author=by))
    yield f"{MANY:,} verdicts", took(lambda: store.decide(many, "legitimate", author=by))
    merchant, number = _merchant_of(store, HIDDEN)
    until, given = utc_now() + timedelta(days=7), []
    yield f"a suppression of {number:,} open alerts", took(
        lambda: given.append(store.suppress("merchant", merchant, until=until, author=by)))
    yield "the lifting of it", took(lambda: store.lift(given[0], author=by))
    store.suppress("merchant", merchant, until=until, author=by)
    month, population = Month(RUNS, alerts, NEW), Population(alerts)
    run = population.run(month)
    arriving, pasts = list(population.of(run, month)), list(population.pasts(run, month))
    yield f"a run of {NEW:,} alerts, with {len(pasts):,} pasts", took(
        lambda: store.add_run(run, arriving, pasts=pasts))


def _merchant_of(store: AlertStore, number: int) -> tuple[str, int]:
    """The merchant whose open alerts are nearest to a number, and how many they are."""
    name = Alert.record["merchant"].as_string()
    with store.engine.connect() as connection:
        shown = select(name).where(Alert.verdict.is_(None), Alert.suppression_id.is_(None), name.is_not(None))
        found = Counter(connection.scalars(shown))
    return min(found.items(), key=lambda each: abs(each[1] - number))
