"""Strange records seldom come alone: what an entity's earlier ones say about the present one, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.scoring.arrays import finite_vector

WINDOW_DAYS = 7
KAPPA = 0.1
RATE = 1e-4  # chance that misuse begins with a record: small, so that it takes a strange one to believe in it
STRANGE = float(np.log(1_000))  # surprise from which a record counts as strange: one normal record in 1,000
EXPECTED_LIFT, MOST_LIFT = 100.0, 300.0
UNIT = 1e-9  # evidence is counted in whole units: their sum does not depend on the order of adding
MOST = 10.0  # evidence of one record, beyond which nothing is left to believe


def evidence(surprise: ArrayLike) -> np.ndarray:
    """Evidence (rows,) int64, in units of 1e-9, that a record of this surprise (rows,) is no normal one.

    RATE times the e-value kappa p^(kappa - 1) of p = exp(-surprise), which has mean 1 for normal records (Vovk and Wang
    2021, "E-values: calibration, combination and applications", section 2), cut at MOST.
    """
    s = finite_vector(surprise)
    log_e = np.log(KAPPA) + (1 - KAPPA) * s + np.log(RATE)
    return np.round(np.exp(np.minimum(log_e, np.log(MOST))) / UNIT).astype(np.int64)


def is_strange(surprise: ArrayLike) -> np.ndarray:
    """Which records (rows,) count as strange."""
    return finite_vector(surprise) >= STRANGE


class Recurrence:
    """What is added to a record's surprise for the evidence that its entities' records of the last 7 days left.

    With S the sum of evidence of an entity's records in the window, misuse of it is believed to S / (1 + S), the
    posterior odds to first order. Strange records are then `lift` times as likely, so that

        added = log(1 + sum over entity roles of (lift - 1) S / (1 + S)).

    The lift of a role is learned from unlabelled records as they came: how much oftener a record is strange after a
    strange one of the same entity. Where strange records do not recur, as at a terminal that many customers use,
    nothing is added.
    """

    def __init__(self, roles: tuple[str, ...]):
        self.roles = roles
        self.lifts_ = dict.fromkeys(roles, EXPECTED_LIFT)

    def fit(self, strange: ArrayLike, earlier: Mapping[str, ArrayLike]) -> Self:
        """Learn the lifts from unlabelled records: whether each is strange (rows,), and how many earlier records of its
        entity in the window were, {role: (rows,)}.

        The one normal record in 1,000 that is strange too is subtracted. The rate is Poisson, with a prior of mean 100
        and the weight of one strange record, so that without records it stays at 100; it lies within 1 and 300.
        """
        is_odd, by_chance = np.asarray(strange, bool), np.exp(-STRANGE)
        for role in self.roles:
            after = np.asarray(earlier[role]) > 0
            found = max(0.0, (is_odd & after).sum() - after.sum() * by_chance)
            elsewhere = max(0.0, (is_odd & ~after).sum() / max(1, (~after).sum()) - by_chance)
            lift = (found + 1) / (after.sum() * elsewhere + 1 / EXPECTED_LIFT)
            self.lifts_[role] = float(np.clip(lift, 1.0, MOST_LIFT))
        return self

    def added(self, totals: Mapping[str, ArrayLike]) -> np.ndarray:
        """Nats (rows,) to be added, >= 0, given each role's sum of evidence (rows,), as `evidence` counts it."""
        return np.log1p(sum(self._odds(role, totals[role]) for role in self.roles) + np.zeros(()))

    def shares(self, totals: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """The same, told apart by role, in proportion to what each contributes {role: (rows,)}."""
        added = self.added(totals)
        odds = {role: self._odds(role, totals[role]) for role in self.roles}
        whole = np.maximum(sum(odds.values()) + np.zeros(()), np.finfo(float).tiny)
        return {role: added * value / whole for role, value in odds.items()}

    def _odds(self, role: str, totals: ArrayLike) -> np.ndarray:
        S = np.asarray(totals, np.float64) * UNIT
        return (self.lifts_[role] - 1) * S / (1 + S)

    def to_state(self) -> dict[str, Any]:
        return {"roles": list(self.roles), "lifts": self.lifts_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        recurrence = cls(tuple(state["roles"]))
        recurrence.lifts_ = dict(state["lifts"])
        return recurrence
