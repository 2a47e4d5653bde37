"""False alarms on real data: policies, contamination quantiles and pythresh's thresholders on the same scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_cl.detectors.row_scorer import NO_PRETRAINING
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.policy import Known, ScoredRows
from anomaly_cl.scoring.thresholds import parse_policy
from apps.benchmark.data import one_class_split, read_set
from apps.benchmark.peers.thresholders import WAYS
from apps.benchmark.thresholds import DEFAULT_CONTAMINATION, alerts_or_none, contamination_alerts, outcome

POLICIES = ("alpha=0.01", "alpha=0.05", "fdr=0.1")
CONTAMINATIONS = (DEFAULT_CONTAMINATION, 0.05, 0.01)
FOUND = "false-alarms.csv"
Thresholders = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True)
class ScoredSet:
    """Scores of the rows that a detector learned from (n,), of test rows (m,), and their labels (m,), True = anomaly;
    and the calibration of these scores.
    """

    training: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    calibration: Calibration


def largest(sets: Sequence[Path], n_sets: int) -> list[Path]:
    """The data sets of the most rows, largest first."""
    return sorted(sets, key=lambda path: -len(read_set(path)[1]))[:n_sets]


def scored(data: Path, seed: int) -> ScoredSet:
    """One-class split, detector without pretraining, and its scores."""
    X, y = read_set(data)
    split = one_class_split(y, seed)
    detector = TabularDetector(NO_PRETRAINING, seed, calibration="auto").fit(X[split.train])
    return ScoredSet(detector.training_scores(X[split.train]), detector.decision_function(X[split.test]),
                     y[split.test] == 1, detector.calibration_)


def alerts_of(found: ScoredSet, thresholders: Thresholders) -> Iterator[tuple[str, str, np.ndarray | Exception]]:
    """Kind and name of each threshold, and its alerts (m,) or, of a thresholder that fails, why."""
    calibration, scores = found.calibration, found.scores
    rows = ScoredRows(calibration.p_value(scores), scores, calibration.p_tail(scores),
                      n_calibration=calibration.n_rows_)
    known = Known(calibration.n_rows_, len(scores), tail=calibration.tail_ is not None)
    for policy in POLICIES:
        yield "ours", policy, alerts_or_none(parse_policy(policy), rows, known)
    for contamination in CONTAMINATIONS:
        yield ("contamination", f"contamination={contamination:g}",
               contamination_alerts(found.training, scores, contamination))
    for name, make in thresholders.items():
        for way, cut in WAYS.items():
            try:
                yield way, name, cut(make(), found.training, scores)
            except Exception as error:  # one thresholder may not end the run
                yield way, name, error


def counted(labels: np.ndarray, alerts: np.ndarray) -> dict[str, float]:
    """Rates of alerts (m,) by labels (m,): false_rate, the share of normal rows that are alerted; false_share, that of
    the alerts that are normal rows; recall, precision and F1. Without alerts, all are 0.
    """
    false_share, recall = outcome(labels, alerts)
    hits = (alerts & labels).sum()
    return {"false_rate": float(alerts[~labels].mean()), "false_share": false_share, "recall": recall,
            "precision": float(hits / max(alerts.sum(), 1)), "F1": float(2 * hits / (alerts.sum() + labels.sum()))}


def measured(found: ScoredSet, thresholders: Thresholders) -> Iterator[dict[str, Any]]:
    """A line for each threshold: kind, threshold, alerts, the rates of `counted`, and error, "" if there is none."""
    for kind, name, alerts in alerts_of(found, thresholders):
        line = {"kind": kind, "threshold": name, "error": ""}
        if isinstance(alerts, Exception):
            yield line | {"error": f"{type(alerts).__name__}: {alerts}"}
        else:
            yield line | {"alerts": int(alerts.sum()), **counted(found.labels, alerts)}


def measure(
    sets: Sequence[Path], seeds: Sequence[int], thresholders: Thresholders, out: Path, tell: Callable[[str], None]
) -> pd.DataFrame:
    """One line a set, seed and threshold, also kept in false-alarms.csv; what is in it is not measured again."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / FOUND
    frame = pd.read_csv(file, dtype={"error": "str"}).fillna({"error": ""}) if file.exists() else pd.DataFrame()
    done = set() if frame.empty else set(zip(frame["data"], frame["seed"], strict=True))
    for seed in seeds:
        for data in sets:
            if (data.stem, seed) in done:
                continue
            found = scored(data, seed)
            about = {"data": data.stem, "seed": seed, "training_rows": len(found.training),
                     "calibration_rows": found.calibration.n_rows_, "test_rows": len(found.labels),
                     "anomalies": int(found.labels.sum())}
            frame = pd.concat([frame, pd.DataFrame([about | line for line in measured(found, thresholders)])],
                              ignore_index=True)
            frame.to_csv(file, index=False)
            tell(f"{data.stem} seed {seed}: {about['test_rows']} test rows, {about['anomalies']} of them anomalies")
    return frame
