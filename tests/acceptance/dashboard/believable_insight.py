"""What the made-up store needs beside its records: a map, the model's facts, and a run of two pumps' sensors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Run, Signal, StoredModel
from anomaly_cl.alerts.store import AlertStore

SERIES_START = datetime(2018, 8, 1)
STEP = timedelta(minutes=1)
STEPS = 20_000
CHANNELS = {"bearing temperature": (62.0, 1.2), "flow": (118.0, 4.0), "vibration": (2.4, 0.18),
            "motor current": (31.0, 0.6)}
FAULTS = {  # of a pump: first step, steps, channels with how many spreads they move
    "pump <b>4</b>": [(3_100, 90, {"vibration": 7.0, "bearing temperature": 4.0}), (9_400, 12, {"flow": -14.0}),
                      (16_050, 400, {"bearing temperature": 5.5, "motor current": 6.0})],
    "pump 7": [(12_000, 60, {"motor current": -9.0})],
}
MODEL, SERIES_MODEL, SERIES_RUN = "3f9a41c0d2be", "77d0c2a91e40", "run-series"


def enrich(store: AlertStore, seed: int = 11) -> None:
    """Give the newest run of a filled store a map, a drift verdict and calibration counts, and keep its model."""
    rng = np.random.default_rng(seed)
    with Session(store.engine) as session, session.begin():
        run = session.get_one(Run, "run-newest")
        session.add(StoredModel(id=MODEL, facts=facts(rng), created_at=run.created_at))
        normal = np.vstack([rng.normal((-1.8, 0.6), (0.8, 0.5), (500, 2)),
                            rng.normal((1.2, -0.4), (0.6, 0.9), (700, 2))])
        scores = run.summary["score_histogram"]
        of_calibration = np.histogram(rng.gamma(6.0, 0.25, 20_000), scores["edges"])[0].tolist()
        run.summary = run.summary | {
            "map": {"method": "PCA", "explained": [0.41, 0.19], "normal": np.round(normal, 3).tolist(),
                    "frame": f"{MODEL} PCA"},
            "drift": DRIFT,
            "score_histogram": scores | {"calibration": of_calibration},
        }
        for alert in session.scalars(select(Alert).where(Alert.run_id == run.id).order_by(Alert.id)):
            angle, far = rng.uniform(0, 2 * np.pi), 1.2 + alert.risk / 22 + rng.gamma(2.0, 0.4)
            alert.map_x, alert.map_y = float(far * np.cos(angle)), float(0.8 * far * np.sin(angle))


DRIFT: dict[str, Any] = {
    "verdict": "watch", "sentence": "watch: amount shifted (index 0.14), country shifted (index 0.09) (by chance: 1 in "
    "240); look at it again with more rows", "rows": 20_000, "calibration_rows": 20_000, "chance": 1 / 240,
    "bulk_distance": 0.021, "tail_excess": 0.012, "moved": ["amount", "country"],
    "columns": [{"column": "amount", "stability_index": 0.14, "chance": 0.004},
                {"column": "country", "stability_index": 0.09, "chance": 0.03},
                {"column": "merchant", "stability_index": 0.02, "chance": 1.0}],
}


def facts(rng: np.random.Generator) -> dict[str, Any]:
    """What a model of such records would tell of itself."""
    scores = np.linspace(0.2, 5.5, 60)
    p_value = np.clip(np.exp(-((scores / 1.45) ** 2.4) / 1.6), 1 / 20_001, 1)
    epochs = np.arange(24)
    loss = 2.6 * np.exp(-epochs / 6) + 1.1 + rng.normal(0, 0.02, 24)
    kinds = {"transaction": ("text", "key"), "time": ("datetime", "time"), "customer": ("categorical", "entity"),
             "terminal": ("categorical", "entity"), "merchant": ("categorical", "feature"),
             "category": ("categorical", "feature"), "amount": ("numeric", "feature"),
             "channel": ("categorical", "segment"), "country": ("categorical", "feature")}
    return {
        "kind": "tabular", "model_id": MODEL,
        "settings": {"pretraining": "simclr", "random_state": 0, "bank_rows": 50_000, "segment": "channel",
                     "without": []},
        "versions": {"anomaly_cl": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
        "trained": {"pretraining": "simclr", "random_state": 0, "heads": "nearest, mahalanobis, tails",
                    "reference_rows": 46_000, "calibration_rows": 20_000, "learned_rows": 120_000},
        "rows": {"learned": 120_000, "reference": 46_000, "calibration": 20_000},
        "heads": {"nearest": 1.0, "mahalanobis": 0.5, "tails": 0.25},
        "calibration": {"rows": 20_000, "smallest_p_value": 1 / 20_001,
                        "tail": "tail of the highest 200 scores: exponential 48%, Gaussian 37%, bounded 15%",
                        "curve": {"score": scores.tolist(), "p_value": p_value.tolist(),
                                  "p_tail": np.minimum(np.exp(-((scores / 1.45) ** 2.4) / 1.6), p_value).tolist()}},
        "segments": [{"segment": "chip", "rows": 16_000, "compared_with": "chip", "compared_rows": 16_000,
                      "tail": "exponential 61%"},
                     {"segment": "online <i>shop</i>", "rows": 3_960, "compared_with": "online <i>shop</i>",
                      "compared_rows": 3_960, "tail": "Gaussian 52%"},
                     {"segment": None, "rows": 40, "compared_with": "(all rows)", "compared_rows": 20_000, "tail": ""}],
        "schema": [{"name": name, "kind": kind, "role": role, "private": name == "customer"}
                   for name, (kind, role) in kinds.items()],
        "typical": {"amount": 52.3, "merchant": "Corner Grocery", "channel": "chip", "country": "DE", "time": "13:00"},
        "history": [{"epoch": int(epoch), "train_loss": float(value), "val_loss": float(value + 0.08), "rank": 18.0,
                     "spread": 0.9} for epoch, value in zip(epochs, loss, strict=True)],
        "drift": {"rows": 20_000, "columns": list(kinds), "judged": True},
        "groups": [{"group": 0, "rows": 30_100, "share": 0.65, "differs_in": ["amount"],
                    "description": "small amounts"}],
    }


def fill_series(store: AlertStore, seed: int = 5) -> list[str]:
    """Add a run of two pumps' sensors with alerted spans; gives the alerts' ids."""
    rng = np.random.default_rng(seed)
    created = SERIES_START + STEP * STEPS + timedelta(hours=2)
    run = Run(
        id=SERIES_RUN, model_id=SERIES_MODEL, input_name="pumps-august.parquet", input_hash="7a" * 32, where_clause="",
        policy="alpha=0.001", rows_in=2 * STEPS, rows_scored=2 * STEPS, rows_rejected=0, alerts_raised=4,
        created_at=created, summary={"score_histogram": {"edges": [0.0, 2.0, 4.0, 8.0], "counts": [39_000, 900, 100],
                                                         "calibration": [9_800, 190, 10]}},
    )
    signals, alerts = [], []
    for pump, faults in FAULTS.items():
        values = _readings(rng, faults)
        surprise = np.max([np.abs(values[name] - centre) / spread for name, (centre, spread) in CHANNELS.items()], 0)
        signals.append(Signal(run_id=run.id, entity=pump, points=_thinned(values, surprise)))
        alerts += [_span(run, pump, values, fault, place) for place, fault in enumerate(faults)]
    store.add_run(run, alerts, signals=signals)
    store.decide([alerts[0].id], "fraud", author="m.keller", note="Bearing replaced.")
    return [alert.id for alert in alerts]


def _readings(rng: np.random.Generator, faults: list[tuple[int, int, dict[str, float]]]) -> dict[str, np.ndarray]:
    day = 2 * np.pi * np.arange(STEPS) / 1_440
    values = {name: centre + spread * (0.8 * np.sin(day + place) + rng.normal(0, 0.4, STEPS))
              for place, (name, (centre, spread)) in enumerate(CHANNELS.items())}
    for first, steps, moved in faults:
        for name, spreads in moved.items():
            values[name][first:first + steps] += spreads * CHANNELS[name][1]
    return values


def _thinned(values: dict[str, np.ndarray], surprise: np.ndarray) -> dict[str, Any]:
    starts = np.arange(0, STEPS, 20)
    return {
        "time": [(SERIES_START + STEP * int(start)).isoformat() for start in starts],
        "channels": {name: {"low": np.minimum.reduceat(each, starts).round(3).tolist(),
                            "high": np.maximum.reduceat(each, starts).round(3).tolist()}
                     for name, each in values.items()},
        "surprise": np.maximum.reduceat(surprise, starts).round(3).tolist(),
    }


def _span(
    run: Run, pump: str, values: dict[str, np.ndarray], fault: tuple[int, int, dict[str, float]], place: int
) -> Alert:
    first, steps, moved = fault
    peak = first + steps // 2
    around = np.arange(max(first - 180, 0), first + steps + 180)
    record: dict[str, Any] = {"at": (SERIES_START + STEP * peak).isoformat(), "pump": pump}
    record |= {name: round(float(each[peak]), 3) for name, each in values.items()}
    record |= {"span start": (SERIES_START + STEP * first).isoformat(),
               "span end": (SERIES_START + STEP * (first + steps - 1)).isoformat(), "span steps": steps,
               "span channels": ", ".join(moved)}
    strongest = sorted(moved, key=lambda name: -abs(moved[name]))
    score = max(map(abs, moved.values()))
    return Alert(
        id=f"5e{place}{'a' if '4' in pump else 'b'}" * 8, run_id=run.id, row_number=peak,
        key=f"{pump} {record['at']}", name=f"{pump} {record['at']}", occurred_at=SERIES_START + STEP * peak,
        score=score, p_value=10 ** -(score / 2), p_tail=10 ** -(score / 1.5), risk=min(10 * score / 1.5, 100.0),
        segment=None, entity_column="pump", entity=pump, entities={"pump": pump}, record=record,
        typical={name: centre for name, (centre, _) in CHANNELS.items()},
        reasons=[{"column": name, "contribution": abs(moved[name]) * 0.9, "value": f"{record[name]:g}",
                  "typical": f"{CHANNELS[name][0]:g}"} for name in strongest],
        neighbours=[], created_at=run.created_at,
        signal={"time": [(SERIES_START + STEP * int(step)).isoformat() for step in around],
                "channels": {name: values[name][around].round(3).tolist() for name in strongest},
                "surprise": {name: (np.abs(values[name][around] - CHANNELS[name][0]) / CHANNELS[name][1]).tolist()
                             for name in strongest}},
    )
