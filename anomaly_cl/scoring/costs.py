"""The policy of least expected cost: what a false alarm costs against what a missed anomaly costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.policy import SLACK, Known, ScoredRows, number_in, options_in

LARGEST_P = 0.5  # what looks more normal than half of the normal rows is never alerted
SHOWN_POINTS = 60
EXAMPLE = "cost=1:50"


LARGEST_COST = 1e100  # sums of which are still numbers


@dataclass(frozen=True)
class CostCurve:
    """Expected cost of a file at each threshold on the p-value, in the units of the policy; all arrays (points,).

    thresholds: 0 (no alert), then the p-values that occur, ascending. alerts: rows at or under each. false_alarms:
    normal rows expected among them. costs: false_alarms and missed anomalies, priced. prior: share of anomalies that
    was given or estimated. best: the point of least cost, the smallest threshold of equal ones.
    """

    thresholds: np.ndarray
    alerts: np.ndarray
    false_alarms: np.ndarray
    costs: np.ndarray
    prior: float
    best: int

    @property
    def threshold(self) -> float:
        """The p-value up to which rows are alerted; 0.0 if none is worth it."""
        return float(self.thresholds[self.best])

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the choice, and at most about 60 points of the curve, the best one among them."""
        last = len(self.thresholds) - 1
        spread = np.geomspace(1, max(last, 1), SHOWN_POINTS).round().astype(int)
        shown = np.unique(np.concatenate([[0, self.best, last], spread[spread <= last]]))
        return {
            "p_value_at_most": self.threshold, "prior": self.prior, "expected_cost": float(self.costs[self.best]),
            "expected_false_alarms": float(self.false_alarms[self.best]), "cost_without_alerts": float(self.costs[0]),
            "cost_curve": [[float(self.thresholds[i]), float(self.costs[i])] for i in shown],
        }


def anomaly_share(p_values: np.ndarray, total: int, n_calibration: int | None = None) -> float:
    """Lower bound on the share of anomalies among `total` rows, from the p-values (rows,) up to 0.5 of them.

    The largest standing excess of small p-values over chance, less what chance alone would reach, over all thresholds t
    (Meinshausen and Rice 2006, Annals of Statistics 34:373, with the bounding function sqrt(t (1 - t)) and the sequence
    sqrt(2 log log n / n)); 1/n is 1/total + 1/n_calibration here, since p-values that share a calibration deviate
    together. Storey's (2002) estimate from the p-values above 0.5 does not see shares of 0.1 to 1 % for noise, and
    often invents anomalies where there are none.
    """
    levels, counts = np.unique(p_values[p_values <= LARGEST_P], return_counts=True)
    if not len(levels):
        return 0.0
    effective = 1 / (1 / total + (1 / n_calibration if n_calibration else 0))
    chance = math.sqrt(2 * math.log(math.log(max(effective, 16))) / effective)
    excess = np.cumsum(counts) / total - levels - chance * np.sqrt(levels * (1 - levels))
    return float(min(max((excess / (1 - levels)).max(), 0.0), 1.0))


def cost_curve(
    p_values: np.ndarray, total: int, false_alarm: float, missed: float, prior: float
) -> CostCurve:
    """Expected cost at each threshold t, from the p-values (rows,) up to 0.5 of `total` rows.

    A normal row lies under t with chance t, so total * (1 - prior) * t alerts are false, and the others are caught
    anomalies, at most total * prior; both priced. Its least point is where the Grenander estimate of the p-values'
    density, the slope of the least concave majorant of their distribution (Grenander 1956; Strimmer 2008, BMC
    Bioinformatics 9:303, for its use as local false discovery rate), falls to the level at which the posterior odds of
    an anomaly times missed / false_alarm are 1: Bayes' rule for these costs (Duda, Hart and Stork 2001, section 2.2).
    """
    levels, counts = np.unique(p_values[p_values <= LARGEST_P], return_counts=True)
    thresholds, alerts = np.concatenate([[0.0], levels]), np.concatenate([[0], np.cumsum(counts)])
    false_alarms = total * (1 - prior) * thresholds
    caught = np.clip(alerts - false_alarms, None, total * prior)
    costs = false_alarm * false_alarms + missed * (total * prior - caught)
    return CostCurve(thresholds, alerts, false_alarms, costs, prior, int(np.argmin(costs)))


@dataclass(frozen=True)
class Cost:
    """Alert where the expected loss of leaving a row alone exceeds that of a false alarm.

    false_alarm, missed: cost of an alert on a normal row, and of an anomaly that is not alerted, in any one unit.
    prior: the share of anomalies if it is known, else a lower bound is estimated from the file's p-values, which alerts
    rather too little; where nothing in the file stands out from chance, nothing is alerted. Give a prior if you have
    one: for rare anomalies it matters more than the rule.
    """

    false_alarm: float
    missed: float
    prior: float | None = None
    name: ClassVar[str] = "cost"

    def __post_init__(self) -> None:
        for cost in (self.false_alarm, self.missed):
            if not 1 / LARGEST_COST <= cost <= LARGEST_COST:
                raise UsageError("costs are numbers above 0, of a false alarm and of a missed anomaly, up to "
                                 f"{LARGEST_COST:g}",
                                 f"one is {cost!r}", f"write for example {EXAMPLE}")
        if self.prior is not None and not 0 < self.prior < 1:
            raise UsageError("prior is the share of anomalies, between 0 and 1", f"it is {self.prior!r}",
                             f"write for example {EXAMPLE},prior=0.001")

    @classmethod
    def parse(cls, value: str) -> Self:
        costs, options = options_in(value, {"prior": "number"}, EXAMPLE)
        false_alarm, colon, missed = costs.partition(":")
        if not colon:
            raise UsageError("cost needs two numbers, false alarm : missed anomaly", f"it is {costs!r}",
                             f"write for example {EXAMPLE}")
        prior = number_in(float, options["prior"], "prior=0.001") if "prior" in options else None
        return cls(number_in(float, false_alarm, EXAMPLE), number_in(float, missed, EXAMPLE), prior)

    def check(self, known: Known) -> None:
        smallest, largest = 1 / (known.n_calibration + 1), self._largest_p()
        if largest * SLACK < smallest:
            raise UsageError(
                f"{self} never pays for an alert: by chance alone a share of {smallest:.3g} of normal rows looks as "
                "strange as the calibration can tell", f"with {known.n_calibration:,} calibration rows, alerts on a "
                f"share above {largest:.3g} of normal rows cost more than all anomalies missed",
                f"calibrate on {math.ceil(1 / largest / SLACK) - 1:,} rows or more, or use budget=N",
            )

    def warning(self, known: Known) -> str:
        return ""

    def may_alert(self, rows: ScoredRows) -> np.ndarray:
        return rows.p_values <= self._largest_p() * SLACK

    def alerts(self, rows: ScoredRows) -> np.ndarray:
        return rows.p_values <= self.curve(rows).threshold

    def curve(self, rows: ScoredRows) -> CostCurve:
        """Threshold -> expected cost of a file, and the choice."""
        prior = self.prior
        if prior is None:
            prior = anomaly_share(rows.p_values, rows.n_rows, rows.n_calibration)
        p_values = rows.p_values[self.may_alert(rows)]
        return cost_curve(p_values, rows.n_rows, self.false_alarm, self.missed, prior)

    def cut(self, rows: ScoredRows) -> dict[str, Any]:
        return self.curve(rows).to_dict()

    def in_words(self) -> str:
        share = "estimated" if self.prior is None else f"{100 * self.prior:g} %"
        return (f"least expected cost, a missed anomaly costing {self.missed / self.false_alarm:g} times a false alarm "
                f"(share of anomalies: {share})")

    def __str__(self) -> str:
        prior = "" if self.prior is None else f",prior={self.prior!r}"
        return f"{self.name}={_written(self.false_alarm)}:{_written(self.missed)}{prior}"

    def _largest_p(self) -> float:
        """Beyond this threshold the false alarms alone cost more than missing every anomaly."""
        if self.prior is None:
            return LARGEST_P
        return min(LARGEST_P, self.missed * self.prior / (self.false_alarm * (1 - self.prior)))


def _written(cost: float) -> str:
    return str(int(cost)) if cost < 1e15 and cost == int(cost) else repr(cost)
