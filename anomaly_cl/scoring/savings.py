"""Money saved by alerts on rows whose labels are known: what was missed without them, less what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from anomaly_cl.errors import InputError, UsageError


@dataclass(frozen=True)
class Savings:
    """Cost of the rows without any alert and with the alerts, and the difference, in the unit of the prices."""

    cost_without_alerts: float
    cost_with_alerts: float
    saved: float


@dataclass(frozen=True)
class Prices:
    """What each row costs if it is alerted, and if it is not; arrays (rows,).

    cost(alerts) = sum of `alert` over the alerts + sum of `missed` over the other rows.
    """

    alert: np.ndarray
    missed: np.ndarray

    @classmethod
    def fixed(cls, labels: np.ndarray, false_alarm: float, missed: float) -> Self:
        """An alert costs `false_alarm` on a normal row and nothing on an anomaly; a missed anomaly costs `missed`.

        The costs of the policy cost=FALSE_ALARM:MISSED (Elkan 2001, "The foundations of cost-sensitive learning").
        """
        anomalous = labels == 1
        return cls(np.where(anomalous, 0.0, _price("a false alarm", false_alarm)),
                   np.where(anomalous, _price("a missed anomaly", missed), 0.0))

    @classmethod
    def by_amount(cls, labels: np.ndarray, amounts: np.ndarray, review: float) -> Self:
        """Every alert costs `review`; a missed anomaly costs its amount (rows,), which is not read of normal rows.

        Bahnsen, Stojanovic, Aouada and Ottersten 2013, "Cost sensitive credit card fraud detection using Bayes minimum
        risk", table II. Raises InputError unless anomalies have finite amounts of 0 or more.
        """
        anomalous = labels == 1
        lost = np.where(anomalous, amounts, 0.0)
        if wrong := int((~(np.isfinite(lost) & (lost >= 0))).sum()):
            raise InputError("the amount of each anomaly is a number of 0 or more",
                             f"{wrong:,} of {int(anomalous.sum()):,} are missing, infinite or negative",
                             "give a column with the loss of each, or --costs FALSE_ALARM:MISSED")
        return cls(np.full(len(labels), _price("an alert", review)), lost)

    @property
    def worth(self) -> np.ndarray:
        """What an alert on each row saves (rows,); negative where it costs more."""
        return self.missed - self.alert

    def savings(self, alerts: np.ndarray) -> Savings:
        """Costs under the alerts (mask (rows,))."""
        without, saved = float(self.missed.sum()), float(self.worth[alerts].sum())
        return Savings(without, without - saved, saved)


def _price(of: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"the cost of {of} is a number of 0 or more", f"it is {value!r}",
                         "write for example --costs 5:100")
    return value
