"""False alarms of the detector of series on simulated normal series: how rare its rare p-values are."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import PolicyWarning
from apps.benchmark.guarantees.normal_series import NormalKind
from apps.benchmark.guarantees.runs import measure_undone

FILE = "series-false-alarms.csv"
LEVELS = (0.1, 0.01, 0.001)
PER = 10_000  # steps that alerts and spans are counted in


def shares(p_values: np.ndarray) -> dict[str, float]:
    """The share of p-values (steps,) at or under each level, as "p <= level"."""
    return {f"p <= {level:g}": float((p_values <= level).mean()) for level in LEVELS}


def measure_series(kind: NormalKind, seed: int, normal_steps: int, new_steps: int) -> dict[str, Any]:
    """A line: a detector of default settings learns from normal steps of a series and scores those that follow."""
    number = sum(kind.name.encode())
    normal, new = kind.series(np.random.default_rng([seed, number]), normal_steps, new_steps)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # too few normal steps: told by the figures
        detector = SeriesDetector().fit(normal)
        scored = detector.score(new)
    spans = detector.spans(scored)
    return {
        "kind": kind.name, "seed": seed, "normal_steps": normal_steps, "new_steps": new_steps,
        **shares(scored["p_value"].to_numpy()), "alerts": PER * float(scored["alert"].mean()),
        "spans": PER * len(spans) / new_steps, "window": detector.scorer_.plan_.length,
        "calibration": detector.calibration_.n_rows_, "seconds": time.perf_counter() - start,
    }


def measure(
    chosen: Sequence[NormalKind], seeds: Sequence[int], normal_steps: int, new_steps: int, out: Path,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """A line for each kind and seed, kept in `FILE`; what is in it is not measured again."""
    by_key = {(kind.name, seed, normal_steps, new_steps): kind for kind in chosen for seed in seeds}

    def line(key: tuple[Any, ...]) -> dict[str, Any]:
        found = measure_series(by_key[key], *key[1:])
        say(f"{key[0]}, seed {key[1]}: {found['p <= 0.01']:.4f} of the steps have p <= 0.01, {found['seconds']:.1f} s")
        return found

    return measure_undone(out / FILE, ["kind", "seed", "normal_steps", "new_steps"], list(by_key), line)
