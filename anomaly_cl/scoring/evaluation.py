"""How well scores and alerts match labels that are known afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector


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


def evaluate(labels: ArrayLike, scores: ArrayLike, alerts: ArrayLike) -> Evaluation:
    """Compare labels (rows,), 1 = anomaly and 0 = normal, with scores (rows,) and the mask of alerts (rows,).

    Raises InputError unless both kinds of label occur.
    """
    y, s = finite_vector(labels), finite_vector(scores)
    alerted = np.asarray(alerts, bool)
    if not len(y) == len(s) == len(alerted):
        raise InputError("each row has one label, one score and one alert mark",
                         f"there are {len(y)}, {len(s)} and {len(alerted)}", "give all three for the same rows")
    if set(np.unique(y)) != {0.0, 1.0}:
        raise InputError("labels are 0 and 1, and both occur", f"found {np.unique(y)[:5].tolist()}",
                         "choose a label column with both kinds of rows")
    anomalous = y == 1
    return Evaluation(
        rows=len(y), anomalies=int(anomalous.sum()), alerts=int(alerted.sum()),
        auc_roc=float(roc_auc_score(y, s)), auc_pr=float(average_precision_score(y, s)),
        alert_rate=float(alerted.mean()),
        precision=float(anomalous[alerted].mean()) if alerted.any() else None,
        recall=float(alerted[anomalous].mean()), false_alarm_rate=float(alerted[~anomalous].mean()),
    )
