"""How well scores and alerts match labels that are known afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector

CURVE_POINTS = 250


@dataclass(frozen=True)
class Evaluation:
    """Counts of rows, and rates between 0 and 1; a rate over nothing is None.

    auc_roc: chance that an anomaly scores above a normal row. auc_pr: average precision. alert_rate: alerts / rows.
    precision: anomalies among the alerts. recall: alerts among the anomalies. false_alarm_rate: alerts among the normal
    rows, which is what the policy alpha=... bounds.
    """

    rows: int
    anomalies: int
    alerts: int
    auc_roc: float
    auc_pr: float
    alert_rate: float
    precision: float | None
    recall: float
    false_alarm_rate: float


@dataclass(frozen=True)
class KindRecall:
    """One kind of anomaly: its rows, and the share of them that is alerted."""

    rows: int
    recall: float


def evaluate(labels: ArrayLike, scores: ArrayLike, alerts: ArrayLike) -> Evaluation:
    """Compare labels (rows,), 1 = anomaly and 0 = normal, with scores (rows,) and the mask of alerts (rows,).

    Raises InputError unless both kinds of label occur.
    """
    anomalous, s = anomalous_mask(labels), finite_vector(scores)
    alerted = np.asarray(alerts, bool)
    if not len(anomalous) == len(s) == len(alerted):
        raise InputError("each row has one label, one score and one alert mark",
                         f"there are {len(anomalous)}, {len(s)} and {len(alerted)}", "give all three for the same rows")
    return Evaluation(
        rows=len(s), anomalies=int(anomalous.sum()), alerts=int(alerted.sum()),
        auc_roc=float(roc_auc_score(anomalous, s)), auc_pr=float(average_precision_score(anomalous, s)),
        alert_rate=float(alerted.mean()), precision=precision(anomalous, alerted),
        recall=float(alerted[anomalous].mean()), false_alarm_rate=float(alerted[~anomalous].mean()),
    )


def anomalous_mask(labels: ArrayLike) -> np.ndarray:
    """Mask (rows,) of the anomalies of labels (rows,), 1 = anomaly and 0 = normal; InputError unless both occur."""
    y = finite_vector(labels)
    if set(np.unique(y)) != {0.0, 1.0}:
        raise InputError("labels are 0 and 1, and both occur", f"found {np.unique(y)[:5].tolist()}",
                         "choose a label column with both kinds of rows")
    return y == 1


def precision(anomalous: np.ndarray, alerted: np.ndarray) -> float | None:
    """Share of anomalies (mask (rows,)) among the alerts (mask (rows,)); None without alerts."""
    return float(anomalous[alerted].mean()) if alerted.any() else None


def recall_by_kind(labels: np.ndarray, kinds: np.ndarray, alerts: np.ndarray) -> dict[int, KindRecall]:
    """Recall of the anomalies of each kind, from labels, numbers of kinds and alerts (rows,); kinds of normal rows
    are not read.

    >>> recall_by_kind(np.array([1, 1, 1, 0]), np.array([0, 2, 2, 1]), np.array([False, True, False, True]))
    {0: KindRecall(rows=1, recall=0.0), 2: KindRecall(rows=2, recall=0.5)}
    """
    anomalous = labels == 1
    present, number = np.unique(kinds[anomalous], return_inverse=True)
    rows = np.bincount(number)
    caught = np.bincount(number, weights=alerts[anomalous])
    return {int(kind): KindRecall(int(n), float(c / n)) for kind, n, c in zip(present, rows, caught, strict=True)}


def precision_recall_points(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (points,) at thresholds on the scores, from the strictest; at most about 500 of them.

    Points are kept evenly in recall and, for the first alerts, evenly in the logarithm of their number.
    """
    share, found, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    share, found = share[-2::-1], found[-2::-1]  # its first point, of no alert, is a convention
    evenly = np.searchsorted(found, np.linspace(0, 1, CURVE_POINTS))
    first = np.geomspace(1, len(found), CURVE_POINTS).astype(int) - 1
    kept = np.unique(np.concatenate([evenly.clip(max=len(found) - 1), first]))
    return share[kept], found[kept]
