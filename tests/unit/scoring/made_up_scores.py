"""Scored rows with ties, groups and missing values, as a policy reads them."""

from __future__ import annotations

import numpy as np

from anomaly_cl.scoring.calibration import p_values
from anomaly_cl.scoring.policy import ScoredRows

ALL_POLICIES = (
    "alpha=0.01", "fdr=0.2", "fdr=0.2,arbitrary", "fdr=0.3,tail", "budget=30", "budget=1", "budget=9000",
    "budget=3/day", "budget=40/week", "budget=2/hour", "budget=5/segment", "cost=1:50", "cost=1:20,prior=0.02",
)


def made_up(n_rows: int = 3_000, seed: int = 0, n_calibration: int = 5_000) -> ScoredRows:
    """Normal scores with one in thirty shifted by four, rounded so that they tie; a tenth lacks a time or a segment."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=n_rows) + 4 * (rng.random(n_rows) < 1 / 30)).round(1)
    p = p_values(scores, rng.normal(size=n_calibration).round(1))
    times = np.datetime64("2026-03-02T00:00", "us") + rng.integers(0, 21 * 24 * 60, n_rows).astype("timedelta64[m]")
    times[rng.random(n_rows) < 0.1] = np.datetime64("NaT")
    segments = rng.choice(np.array(["card", "online", None], object), n_rows, p=[0.6, 0.3, 0.1])
    p_tail = np.where(p <= 0.01, p * np.exp(-np.maximum(scores - 2.3, 0)), p)
    return ScoredRows(p, scores, p_tail, times, segments, n_calibration=n_calibration)
