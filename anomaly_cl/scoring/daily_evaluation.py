"""What alerts are worth day by day, as a team works through them: their number, and what budgets would have found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.budgets import period_groups
from anomaly_cl.scoring.evaluation import precision


@dataclass(frozen=True)
class DailyAlerts:
    """Alerts over the days that have rows.

    alerts_a_day: their mean, and most_alerts_a_day: their maximum. precision: anomalies among the alerts, None without
    alerts. recall: alerts among the anomalies.
    """

    days: int
    alerts: int
    alerts_a_day: float
    most_alerts_a_day: int
    precision: float | None
    recall: float


@dataclass(frozen=True)
class BudgetCurve:
    """What the `budgets` highest scores of each day give; arrays (points,).

    alerts: of all days; fewer than budget times days where days have fewer rows. precision: anomalies among them.
    recall: their share of all anomalies. saved: what the alerts are worth, None without prices.
    """

    budgets: np.ndarray
    alerts: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    saved: np.ndarray | None


def calendar_days(times: np.ndarray) -> np.ndarray:
    """Number (rows,) of the calendar day of each time (rows,), datetime64; raises InputError for a missing time."""
    if missing := int(np.isnat(times).sum()):
        raise InputError("each row to evaluate by day has a time", f"{missing:,} of {len(times):,} have none",
                         "leave these rows out, or fill in their times")
    return period_groups(times, "day")


def daily_alerts(labels: np.ndarray, alerts: np.ndarray, days: np.ndarray) -> DailyAlerts:
    """Count the alerts (mask (rows,)) by day (rows,) against labels (rows,), 1 = anomaly and 0 = normal."""
    anomalous = labels == 1
    present, number = np.unique(days, return_inverse=True)
    each = np.bincount(number, weights=alerts, minlength=len(present))
    return DailyAlerts(days=len(present), alerts=int(alerts.sum()), alerts_a_day=float(each.mean()),
                       most_alerts_a_day=int(each.max()), precision=precision(anomalous, alerts),
                       recall=float(alerts[anomalous].mean()))


def budget_curve(
    labels: np.ndarray, places: np.ndarray, budgets: np.ndarray, worth: np.ndarray | None = None
) -> BudgetCurve:
    """Precision, recall and money at each budget (points,) of alerts a day, each 1 or more.

    labels (rows,): 1 = anomaly and 0 = normal. places (rows,): of each row on its day, 0 = the highest score (see
    `budgets.places`). worth (rows,): what an alert on the row saves (see `savings.Prices`).
    """
    def alerted(values: np.ndarray) -> np.ndarray:
        """Sum of the values of the rows within each budget."""
        within = np.cumsum(np.bincount(places, weights=values))
        return within[np.minimum(budgets, len(within)) - 1]

    alerts, found = alerted(np.ones(len(labels))), alerted(labels)
    return BudgetCurve(budgets, alerts.astype(np.int64), found / alerts, found / labels.sum(),
                       None if worth is None else alerted(worth))


def shown_budgets(most: int) -> np.ndarray:
    """Budgets from 1 to `most` for a curve: every one up to 20, then about 60 with even ratios."""
    return np.unique(np.concatenate([np.arange(1, min(most, 20) + 1), np.geomspace(1, most, 80).round().astype(int)]))
