"""One probability of fraud from several causes, each of which suffices: strange in itself, or of an entity at risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.probability_curve import ProbabilityCurve

ROUNDS = 30  # of expectation and maximisation, at most
CLOSE = 1e-6  # log likelihood a row that a further round has to gain
FEWEST_FRAUDS = 20


@dataclass(frozen=True)
class Joined:
    """What all causes say together of some rows.

    score: log odds (rows,) of fraud. probability: of fraud (rows,). shares: {cause: (rows,)}, which sum to 1 in each
    row: the part of the cause's -log(1 - p) in the sum of all, which is the -log(1 - p) of the row.
    """

    score: np.ndarray
    probability: np.ndarray
    shares: dict[str, np.ndarray]


class NoisyOr:
    """p = 1 - (1 - p_1) (1 - p_2) ...: a record is a fraud if at least one cause makes it one.

    Each cause has a score; its p is a strictly rising curve of that. The curves are learned together, by expectation
    and maximisation over the unknown causes of the known frauds (the noisy-or of Pearl 1988, section 4.3.2): fitted one
    by one, each would claim the frauds of the others too, and the sum would be too high.
    """

    def fit(self, scores: Mapping[str, ArrayLike], is_fraud: ArrayLike) -> Self:
        """Learn from {cause: scores (rows,)} and verdicts (rows,) of the same records.

        Raises InputError if there are fewer than 20 frauds, or none legitimate.
        """
        fraud = np.asarray(is_fraud, dtype=bool)
        if fraud.sum() < FEWEST_FRAUDS or fraud.all():
            raise InputError(f"verdicts to learn from are of {FEWEST_FRAUDS} frauds and some legitimate records",
                             f"they are of {int(fraud.sum())} and {int((~fraud).sum())}", "wait for more verdicts")
        if not scores:
            raise InputError("a probability has at least one cause", "none is given", "give {cause: scores}")
        causes = {cause: finite_vector(values) for cause, values in scores.items()}
        # to begin with, causes share each fraud evenly
        guilt = {cause: fraud / len(causes) for cause in causes}
        before = -np.inf
        for _ in range(ROUNDS):
            self.curves_ = {cause: ProbabilityCurve().fit(values, guilt[cause]) for cause, values in causes.items()}
            hazards = self._hazards(causes)
            total = sum(hazards.values(), start=np.zeros(()))
            gained = float(np.where(fraud, np.log(-np.expm1(-total)), -total).mean())
            if gained - before < CLOSE:
                break
            before = gained
            guilt = {cause: np.where(fraud, np.expm1(-hazard) / np.expm1(-total), 0.0)
                     for cause, hazard in hazards.items()}
        return self

    def __call__(self, scores: Mapping[str, ArrayLike]) -> Joined:
        """Join {cause: scores (rows,)}; raises InputError unless the causes are those of fit."""
        if set(scores) != set(self.curves_):
            raise InputError(f"the causes are {sorted(self.curves_)}", f"given are {sorted(scores)}",
                             "give each cause's scores")
        hazards = self._hazards(scores)
        total = sum(hazards.values(), start=np.zeros(()))
        # log odds by way of the hazard: p itself stops rising near 1
        return Joined(total + np.log(-np.expm1(-total)), -np.expm1(-total),
                      {cause: hazard / total for cause, hazard in hazards.items()})

    def _hazards(self, scores: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """-log(1 - p) {cause: (rows,)}: they add up where causes come together."""
        return {cause: np.logaddexp(0, curve(scores[cause])) for cause, curve in self.curves_.items()}

    def to_state(self) -> dict[str, Any]:
        return {"curves": {cause: curve.to_state() for cause, curve in self.curves_.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        joined = cls()
        joined.curves_ = {cause: ProbabilityCurve.from_state(curve) for cause, curve in state["curves"].items()}
        return joined
