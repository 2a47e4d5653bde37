"""The store that is measured: months of runs, and what people did with them; made once and kept in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import VERDICT_REASONS, Alert, Case, StoredModel
from anomaly_cl.alerts.store import AlertStore, open_store
from apps.benchmark.dashboard.plant import MODEL as PLANT_MODEL
from apps.benchmark.dashboard.plant import plant_run, signals, spans
from apps.benchmark.dashboard.population import HABITS, MODEL, Month, Population

RUNS = 8
DECIDED = 0.05  # of the alerts
AT_ONCE = 500
ASSIGNED = 500  # cases, as many noted
SUPPRESSED = (20, 21, 22)  # terminals, after the half of the runs
SAVED = 20
PEOPLE = ("m.keller", "a.okafor", "j.silva", "l.novak")
VERDICTS, SHARES = ("fraud", "legitimate", "unsure"), (0.3, 0.6, 0.1)


def built(out: Path, alerts: int, say: Callable[[str], None]) -> Path:
    """The file of the store in the folder; made if it is not there, in minutes for a million alerts."""
    file = out / f"alerts-{alerts}.sqlite"
    if file.exists():
        return file
    out.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    for left in out.glob(f"{part.name}*"):
        left.unlink()
    build(part, Population(alerts), say)
    os.replace(part, file)
    return file


def build(path: Path, population: Population, say: Callable[[str], None]) -> None:
    """Make the store run by run, as time would: each is imported, some of it decided and suppressed, then the next."""
    now = [datetime(2025, 1, 1)]
    with open_store(path) as opened:
        store = AlertStore(opened.engine, clock=lambda: now[0])
        rng = np.random.default_rng([population.seed, 9])
        for month in population.months(RUNS):
            begun = time.perf_counter()
            now[0] = month.end
            run = population.run(month)
            added = store.add_run(run, population.of(run, month), model=StoredModel(
                id=MODEL, facts=facts(MODEL), created_at=now[0]), pasts=population.pasts(run, month))
            imported = time.perf_counter()
            if month.number == RUNS // 2:
                _suppress(store, now[0])
            _decide(store, rng, run.id, month, now)
            say(f"run {month.number + 1} of {RUNS}: {added.added:,} alerts in {imported - begun:.0f} s, "
                f"decided in {time.perf_counter() - imported:.0f} s")
        plant = plant_run()
        now[0] = plant.created_at
        store.add_run(plant, spans(plant), model=StoredModel(id=PLANT_MODEL, facts=facts(PLANT_MODEL),
                                                             created_at=now[0]), signals=signals(plant))
        _work_on_cases(store, rng)
        for number in range(SAVED):
            store.save_filter(f"filter {number}", f"min_risk={20 + number}", author=PEOPLE[number % len(PEOPLE)])
        with opened.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def facts(model_id: str) -> dict[str, Any]:
    """What `anomaly_cl.detectors.facts.model_facts` tells of a model, in its main parts."""
    scores = np.linspace(0, 12, 60)
    curve = np.exp(-scores)
    return {
        "kind": "events" if model_id == MODEL else "series", "model_id": model_id, "settings": {"random_state": 0},
        "versions": {"anomaly_cl": "0.1", "torch": "2.13.0"}, "trained": {"pretraining": "simclr", "random_state": 0},
        "rows": {"read": 100_000, "fit": 60_000, "reference": 20_000, "calibration": 20_000},
        "schema": [{"name": name, "kind": "numeric", "role": "feature", "private": False} for name in HABITS],
        "heads": {"knn": 0.5, "mahalanobis": 0.5},
        "calibration": {"rows": 20_000, "smallest_p_value": 1 / 20_001, "tail": "a generalised Pareto tail",
                        "curve": {"score": scores.tolist(), "p_value": curve.tolist(), "p_tail": curve.tolist()}},
        "segments": [],
    }


def _decide(store: AlertStore, rng: np.random.Generator, run_id: str, month: Month, now: list[datetime]) -> None:
    """Verdicts on a share of the run's alerts, the risky ones more often, over the ten days after it."""
    number = int(DECIDED * month.alerts)
    with store.engine.connect() as connection:
        risky = select(Alert.id).where(Alert.run_id == run_id, Alert.suppression_id.is_(None)).order_by(
            Alert.risk.desc()).limit(4 * number)
        ids = rng.permutation(np.array(connection.scalars(risky).all()))[:number]
    for start in range(0, len(ids), AT_ONCE):
        now[0] = month.end + timedelta(days=10 * start / number)
        verdict = str(rng.choice(VERDICTS, p=SHARES))
        store.decide([str(one) for one in ids[start:start + AT_ONCE]], verdict, author=str(rng.choice(PEOPLE)),
                     reason=VERDICT_REASONS[verdict][0], note="by phone")


def _suppress(store: AlertStore, now: datetime) -> None:
    for number in SUPPRESSED:
        store.suppress("terminal", f"T-{number:05d}", until=now + timedelta(days=4_000), author=PEOPLE[0],
                       reason="a fault of the terminal")


def _work_on_cases(store: AlertStore, rng: np.random.Generator) -> None:
    with Session(store.engine) as session:
        most = session.scalar(select(func.max(Case.id))) or 0
        chosen = [int(one) for one in rng.choice(most, min(ASSIGNED, most), replace=False) + 1]
    for number in chosen:
        with Session(store.engine) as session:
            version = session.scalars(select(Case.version).where(Case.id == number)).one()
        author = str(rng.choice(PEOPLE))
        store.assign(number, author, author=author, version=version)
        store.add_note(number, "asked the customer", author=author, version=version + 1)
