"""Series with labelled steps, and how a score of all of a series is judged after its normal prefix was learned.

The protocol of TSB-AD (Liu and Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection
Benchmark", NeurIPS 2024): all steps are scored, the prefix too, and VUS-PR comes first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.range_evaluation import strongest_period, vus
from apps.benchmark.series.peers.whole import SeriesModel

KEYS = ("values", "labels", "train_end")


@dataclass(frozen=True)
class Series:
    """Values (steps, channels), labels (steps,), 1 = anomaly, and the end of the prefix that holds none."""

    values: np.ndarray
    labels: np.ndarray
    train_end: int


class Judged(NamedTuple):
    """How well a score separates a series' anomalous steps, and how long fit and score took."""

    vus_pr: float
    auc_pr: float
    auc_roc: float
    seconds: float


def family(name: str) -> str:
    """The family of a series: UCR of "369_UCR_id_67_Sensor_tr_2750_1st_5400".

    >>> family("369_UCR_id_67")
    'UCR'
    """
    parts = name.split("_")
    if len(parts) < 2 or not parts[1]:
        raise InputError("a series is named <number>_<family>_<more>", f"found {name!r}", "rename the file")
    return parts[1]


def find_series(folder: Path) -> list[Path]:
    """All .npz files of a folder by name; raises InputError if there is none, or for one without a family."""
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise InputError("the folder of series holds .npz files", f"{folder} has none", "correct the path")
    for path in found:
        family(path.stem)
    return found


def choose_series(found: Sequence[Path], only: Sequence[str] | None) -> list[Path]:
    """Those whose names contain one of the texts `only`, all without; raises UsageError where a text is in none."""
    if idle := [text for text in only or () if not any(text in path.stem for path in found)]:
        raise UsageError("--only gives parts of the names of series", f"no series has {idle} in its name",
                         f"correct it; the first series is {found[0].stem}")
    return [path for path in found if not only or any(text in path.stem for text in only)]


def read_series(path: Path) -> Series:
    """The series of a file; raises InputError for one that cannot be judged."""
    with np.load(path) as data:
        if lacking := sorted(set(KEYS) - set(data)):
            raise InputError(f"a series has {', '.join(KEYS)}", f"{path} lacks {lacking}", "choose another file")
        values, labels, end = np.asarray(data["values"], np.float64), data["labels"].ravel(), int(data["train_end"])
    values = values.reshape(len(values), -1)
    if not (len(values) == len(labels) and 0 < end <= len(values) and set(np.unique(labels)) == {0, 1}):
        raise InputError("a series has a label 0 or 1 for each step, both of them, and a prefix to learn from",
                         f"{path} has {len(values)} steps, {len(labels)} labels of {np.unique(labels)[:5].tolist()}, "
                         f"and a prefix of {end}", "choose another file")
    return Series(values, labels.astype(int), end)


def judge(model: SeriesModel, series: Series) -> Judged:
    """Fit a model to the prefix, score all steps and judge; raises InputError unless each step has a finite score."""
    start = time.perf_counter()
    model.fit(series.values[:series.train_end])
    score = np.asarray(model.decision_function(series.values), np.float64)
    seconds = time.perf_counter() - start
    if score.shape != series.labels.shape or not np.isfinite(score).all():
        raise InputError("each step gets one finite score", f"scores of shape {score.shape} of {len(series.labels)} "
                         f"steps, {int((~np.isfinite(score)).sum())} not finite", "mend the model")
    return Judged(vus(series.labels, score, strongest_period(series.values[:, 0])).pr,
                  float(average_precision_score(series.labels, score)), float(roc_auc_score(series.labels, score)),
                  seconds)
