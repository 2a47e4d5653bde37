"""How many alerts another policy would give, read off the counts that a run kept."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.thresholds import parse_policy

STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
LARGEST = 0.2


@dataclass(frozen=True)
class AlertsAt:
    """Alerts at one false-alarm rate: the counts known on both sides, and an estimate between them."""

    alpha: float
    fewest: int
    estimate: float
    most: int

    @property
    def is_exact(self) -> bool:
        return self.fewest == self.most


def alerts_at(points: Sequence[Sequence[float]], alpha: float) -> AlertsAt:
    """Rows with p-value <= alpha, from known [p, rows] points with p ascending.

    The count never falls as alpha grows, so that it lies between the counts at the points around alpha; the estimate
    is linear in log alpha. Below the first point it lies between none and the first count; above the last, at least
    the last count is known, and that is what is given.

    >>> alerts_at([[0.001, 10], [0.01, 110]], 0.01)
    AlertsAt(alpha=0.01, fewest=110, estimate=110.0, most=110)
    >>> alerts_at([[0.001, 10], [0.1, 110]], 0.01)
    AlertsAt(alpha=0.01, fewest=10, estimate=60.0, most=110)
    """
    if not points:
        return AlertsAt(alpha, 0, 0.0, 0)
    after = bisect_right([p for p, _ in points], alpha)
    if after == 0:
        first_p, first = points[0]
        return AlertsAt(alpha, 0, first * alpha / first_p, int(first))
    p, low = points[after - 1]
    if after == len(points) or p == alpha:
        return AlertsAt(alpha, int(low), float(low), int(low))
    next_p, high = points[after]
    share = math.log(alpha / p) / math.log(next_p / p)
    return AlertsAt(alpha, int(low), low + share * (high - low), int(high))


def known_points(
    kept: Sequence[Sequence[float]], own: float | None, alerts_raised: int
) -> list[tuple[float, int]]:
    """The counts that a run kept, and the one at its own rate, p ascending; 0.0010000000000000002 becomes 0.001."""
    points = {float(f"{p:.12g}"): int(rows) for p, rows in kept}
    if own is not None:
        points[own] = alerts_raised
    return sorted(points.items())


def choices(points: Sequence[Sequence[float]], asked: float | None) -> list[float]:
    """False-alarm rates for the slider: six steps a decade over the points, and the rate of the run's own policy."""
    known = [p for p, _ in points if 0 < p <= LARGEST]
    if not known:
        return []
    decades = range(math.floor(math.log10(known[0])), math.ceil(math.log10(known[-1])))
    steps = {round(step * 10.0**decade, 12) for decade in decades for step in STEPS}
    inside = {rate for rate in steps if known[0] <= rate <= known[-1]}
    return sorted(inside | {known[-1]} | ({asked} if asked and known[0] <= asked <= known[-1] else set()))


def rate_of(policy: str, cut: Mapping[str, Any]) -> float | None:
    """The false-alarm rate that a policy came to: the p-value up to which its run alerted, as far as it was by p-value.

    None for budgets, which go by rank, for p-values of the tail, and where nothing was alerted.

    >>> rate_of("alpha=0.01", {}), rate_of("fdr=0.05", {"p_value_at_most": 0.002}), rate_of("budget=100", {})
    (0.01, 0.002, None)
    """
    name, _, value = policy.partition("=")
    try:
        rate = float(cut.get("p_value_at_most", value if name.strip() == "alpha" else 0))
    except (TypeError, ValueError):
        return None
    return rate if 0 < rate < 1 else None


def in_words(policy: str) -> str:
    """What a policy's text means; the text itself where it is not one of ours.

    >>> in_words("budget=100/day")
    'the 100 highest scores of each day'
    """
    try:
        return parse_policy(policy).in_words()
    except UsageError:
        return policy
