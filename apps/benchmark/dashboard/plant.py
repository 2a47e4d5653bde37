"""A made-up plant: spans of alerted steps with the signal around them, and whole signals of machines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from anomaly_cl.alerts.identity import alert_id
from anomaly_cl.alerts.models import Alert, Run, Signal

MODEL = "c41d77aa02fe"
CHANNELS = ("bearing temperature", "vibration", "current", "pressure", "flow")
MACHINES, SPANS, POINTS, AROUND = 50, 1_000, 2_000, 600
START = datetime(2025, 12, 1)


def plant_run() -> Run:
    days = [[(START + timedelta(days=day)).date().isoformat(), 7_200, SPANS // 30] for day in range(30)]
    summary = {"score_histogram": {"edges": np.linspace(0, 12, 61).tolist(), "counts": [100] * 60},
               "risk_histogram": {"edges": list(range(20, 102, 2)), "counts": [25] * 40},
               "alerts_at": [[0.001, 300], [0.01, SPANS]], "days": days}
    return Run(id="run-plant", model_id=MODEL, input_name="plant.parquet", input_hash="f" * 64, where_clause="",
               policy="alpha=0.01", rows_in=216_000, rows_scored=216_000, rows_rejected=0, alerts_raised=SPANS,
               summary=summary, created_at=START + timedelta(days=30))


def spans(run: Run) -> Iterator[Alert]:
    """The peaks of spans, the riskiest first, with the steps around each."""
    rng = np.random.default_rng(5)
    for row in range(SPANS):
        machine, risk = f"press-{row % MACHINES:02d}", 20 + 60 * (1 - row / SPANS)
        when = START + timedelta(minutes=int(rng.integers(0, 43_000)))
        p_value = 10 ** (-risk / 10)
        record: dict[str, Any] = {"machine": machine, "time": when.isoformat(), "first": when.isoformat(),
                                  "last": (when + timedelta(hours=2)).isoformat(), "steps": 24}
        reasons = [{"column": name, "contribution": 3.0 / (place + 1), "value": "71.2", "typical": "40.1"}
                   for place, name in enumerate(CHANNELS[:2])]
        yield Alert(
            id=alert_id(MODEL, None, run.input_hash, row), run_id=run.id, row_number=row, key=None, name=machine,
            occurred_at=when, score=-float(np.log(p_value)), p_value=p_value, p_tail=p_value, risk=risk, segment=None,
            entity_column="machine", entity=machine, amount=None, entities={"machine": machine}, record=record,
            typical={}, reasons=reasons, neighbours=[], signal=_around(when, row), created_at=run.created_at,
        )


def signals(run: Run) -> Iterator[Signal]:
    times = [(START + timedelta(minutes=21 * step)).isoformat() for step in range(POINTS)]
    for machine in range(MACHINES):
        rng = np.random.default_rng([6, machine])
        low = np.round(rng.normal(40, 2, (len(CHANNELS), POINTS)), 2)
        channels = {name: {"low": low[i].tolist(), "high": (low[i] + 1).tolist()} for i, name in enumerate(CHANNELS)}
        points = {"time": times, "channels": channels, "surprise": np.round(rng.exponential(1, POINTS), 3).tolist()}
        yield Signal(run_id=run.id, entity=f"press-{machine:02d}", points=points)


def _around(when: datetime, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([7, seed])
    values = np.round(rng.normal(40, 2, (len(CHANNELS), AROUND)), 2)
    return {"time": [(when + timedelta(minutes=5 * (step - AROUND // 2))).isoformat() for step in range(AROUND)],
            "channels": {name: values[i].tolist() for i, name in enumerate(CHANNELS)},
            "surprise": {name: np.round(rng.exponential(1, AROUND), 3).tolist() for name in CHANNELS}}
