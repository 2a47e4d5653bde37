"""Policies: how alerts are cut from calibrated scores. Alpha is here, and the table of all policies by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.budgets import Budget
from anomaly_cl.scoring.costs import Cost
from anomaly_cl.scoring.fdr import Fdr
from anomaly_cl.scoring.policy import SLACK, Known, Policy, ScoredRows, number_in


@dataclass(frozen=True)
class Alpha:
    """Alert where p_value <= rate: of normal rows, at most this share is alerted in the long run."""

    rate: float
    name: ClassVar[str] = "alpha"

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise UsageError("alpha is a rate between 0 and 1", f"it is {self.rate!r}", "write for example alpha=0.01")

    @classmethod
    def parse(cls, value: str) -> Self:
        return cls(number_in(float, value, "alpha=0.01"))

    def check(self, known: Known) -> None:
        smallest = 1 / (known.n_calibration + 1)
        if smallest > self.rate * SLACK:
            raise UsageError(
                f"alpha must be at least 1 / (calibration rows + 1) = {smallest:.3g} to give any alert",
                f"it is {self.rate} with {known.n_calibration} calibration rows",
                f"calibrate on {math.ceil(1 / self.rate / SLACK) - 1} rows or more, raise alpha, or use budget=N",
            )

    def warning(self, known: Known) -> str:
        return ""

    def may_alert(self, rows: ScoredRows) -> np.ndarray:
        return self.alerts(rows)

    def alerts(self, rows: ScoredRows) -> np.ndarray:
        return rows.p_values <= self.rate * SLACK

    def cut(self, rows: ScoredRows) -> dict[str, Any]:
        return {"p_value_at_most": self.rate}

    def in_words(self) -> str:
        return f"of normal rows, a share of {self.rate:g} is alerted in the long run"

    def __str__(self) -> str:
        return f"{self.name}={self.rate!r}"


POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (Alpha, Fdr, Budget, Cost)}


def parse_policy(text: str) -> Policy:
    """A policy from its text; raises UsageError for anything but "name=value" of a known name.

    >>> parse_policy("alpha=0.01"), str(parse_policy("budget=100/day"))
    (Alpha(rate=0.01), 'budget=100/day')
    >>> parse_policy("fdr=0.05"), parse_policy("cost=1:50,prior=0.001")
    (Fdr(level=0.05, arbitrary=False, tail=False, share=None), Cost(false_alarm=1.0, missed=50.0, prior=0.001))
    """
    name, _, value = text.partition("=")
    policy = POLICIES.get(name.strip().lower())
    if policy is None:
        raise UsageError(f"a policy is one of {', '.join(f'{known}=...' for known in POLICIES)}", f"it is {text!r}",
                         "write for example alpha=0.01, fdr=0.05, budget=100/day or cost=1:50")
    return policy.parse(value.strip())
