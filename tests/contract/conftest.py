"""One small table of every kind of column, and each detector fitted to it once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.pretraining.fit import METHODS, TrainingSettings
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table.split import CrossFit

QUICK = TrainingSettings(max_epochs=2, steps_per_epoch=20)
SCHEMA = Schema((
    Column("id", "categorical", "string", "key"),
    Column("account", "categorical", "string", "entity"),
    Column("at", "datetime", "timestamp[us]", "time"),
    Column("amount", "numeric", "double"),
    Column("items", "numeric", "double"),
    Column("channel", "categorical", "string"),
    Column("shop", "text", "string"),
    Column("picture", "vector", "list<item: float>", size=4),
    Column("constant", "numeric", "double"),
))
DETECTORS = {
    **{name: {"pretraining": name, "training": QUICK, "calibration": "split"} for name in METHODS},
    "none": {"pretraining": "none"},
    "fast search": {"training": QUICK, "calibration": "split", "search": "fast"},
    "cross-fitted": {"training": QUICK, "calibration": CrossFit(2)},
}


def records(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    items = rng.poisson(3, n_rows) + 1
    return pd.DataFrame({
        "id": [f"r{seed}-{i}" for i in range(n_rows)],
        "account": rng.choice([f"a{i}" for i in range(30)], n_rows),
        "at": pd.Timestamp("2026-03-02") + pd.to_timedelta(rng.uniform(0, 28 * 24 * 60, n_rows).round(), unit="min"),
        "amount": np.where(rng.random(n_rows) < 0.05, np.nan, np.exp(rng.normal(3, 0.5, n_rows)) * items),
        "items": items,
        "channel": rng.choice(["card", "online", "cash"], n_rows, p=[0.6, 0.3, 0.1]),
        "shop": rng.choice(["GREEN GROCER 12", "GREEN GROCER 15", "BOOKS & CO", "STATION KIOSK"], n_rows),
        "picture": list(rng.normal(size=(n_rows, 4)).astype(np.float32)),
        "constant": np.ones(n_rows),
    })


@pytest.fixture(scope="session")
def normal() -> pd.DataFrame:
    return records(900, 0)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    return records(300, 1)


@pytest.fixture(scope="session", params=DETECTORS)
def detector(request, normal) -> TabularDetector:
    return TabularDetector(schema=SCHEMA, **DETECTORS[request.param]).fit(normal)
