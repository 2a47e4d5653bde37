"""What scores of a test week are worth, as the handbook counts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.budgets import highest
from anomaly_cl.scoring.card_precision import card_precision
from anomaly_cl.scoring.daily_evaluation import calendar_days
from anomaly_cl.scoring.evaluation import evaluate, recall_by_kind
from apps.benchmark.events.protocol import CUSTOMER, FRAUD, KIND, TIME

ALERTS_A_DAY = 100
UNSEEN_KIND = 2  # of the handbook's: these transactions differ from normal ones by their label alone


@dataclass(frozen=True)
class Judged:
    """Measures of one week, between 0 and 1.

    auc_roc, auc_pr: over the rows, auc_pr_13 without kind 2. card_precision: at 100 cards a day. alert_precision:
    frauds among the 100 highest rows of each day, recall: these among the frauds of each kind that occurs.
    """

    rows: int
    frauds: int
    auc_roc: float
    auc_pr: float
    auc_pr_13: float
    card_precision: float
    alert_precision: float
    recall: dict[str, float]


def judge(tested: pd.DataFrame, scores: np.ndarray) -> Judged:
    """Judge scores (rows,), higher = stranger, of transactions by time, as `read_transactions` names their columns."""
    if scores.shape != (len(tested),) or not np.isfinite(scores).all():
        raise InputError("each tested row gets one finite score", f"{scores.shape} scores of {len(tested)} rows, "
                         f"{int((~np.isfinite(scores)).sum())} not finite", "mend the model")
    labels, kinds = tested[FRAUD].to_numpy(), tested[KIND].to_numpy()
    days = calendar_days(tested[TIME].to_numpy())
    alerts = highest(scores, days, ALERTS_A_DAY)
    every, seen = evaluate(labels, scores, alerts), kinds != UNSEEN_KIND
    cards = card_precision(labels, scores, tested[CUSTOMER].to_numpy(), days, ALERTS_A_DAY)
    return Judged(
        rows=every.rows, frauds=every.anomalies, auc_roc=every.auc_roc, auc_pr=every.auc_pr,
        auc_pr_13=evaluate(labels[seen], scores[seen], alerts[seen]).auc_pr, card_precision=cards.card_precision,
        alert_precision=every.precision or 0.0,
        recall={str(kind): each.recall for kind, each in recall_by_kind(labels, kinds, alerts).items()},
    )
