"""How unusual a row is column by column, where some columns say more than others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.arrays import finite_matrix
from anomaly_cl.scoring.distances import TailHead

POWER = 3


class MarginalHead:
    """Weighted power mean over columns of the surprise of each value's distance from the middle of its column.

    A distance is asked for, not a rank from both ends: of amounts that cannot fall far below the usual, the lowest in a
    thousand lie near all others, the highest do not. A column may have several outputs; theirs is the Euclidean one.
    The power, 3, lies between a root mean square and the largest: one strange column is enough for a strange row.
    """

    def __init__(self, column_of: ArrayLike, weights: Sequence[float] | np.ndarray):
        """column_of: (outputs,) int, the column that an output belongs to; weights: (columns,), 0 or more, relative."""
        self.column_of, self.weights = np.asarray(column_of, np.int64), np.asarray(weights, np.float64)

    def fit(self, X: ArrayLike) -> Self:
        """Learn from normal rows (rows, outputs); UsageError for weights that cannot be meant."""
        w = self.weights
        if len(w) != (self.column_of.max(initial=-1) + 1) or not (np.isfinite(w).all() and (w >= 0).all() and w.any()):
            raise UsageError("each column has a weight of 0 or more, and one is above 0", f"they are {w.tolist()}",
                             "correct the weights")
        X = finite_matrix(X, columns=len(self.column_of), fewest=1)
        self.middle_ = np.median(X.astype(np.float64), axis=0)
        self.tails_ = TailHead().fit(self._apart(X), np.zeros(len(w), bool))
        return self

    def per_column(self, X: ArrayLike) -> np.ndarray:
        """Surprise (rows, columns) of each column by itself, >= 0, in nats."""
        return self.tails_.per_column(self._apart(finite_matrix(X, columns=len(self.column_of))))

    def distances(self, X: ArrayLike) -> np.ndarray:
        surprises = self.per_column(X).T
        # added column by column: a matrix product rounds differently for each number of rows
        powers = (weight * column**POWER for weight, column in zip(self.weights, surprises, strict=True))
        return np.cbrt(sum(powers, start=np.zeros(())) / self.weights.sum())

    def _apart(self, X: np.ndarray) -> np.ndarray:
        """Distance (rows, columns) from the middle of each column."""
        squares = np.zeros((len(X), len(self.weights)))
        for output, column in enumerate(self.column_of.tolist()):
            squares[:, column] += np.square(X[:, output] - self.middle_[output])
        return np.sqrt(squares)

    def to_state(self) -> dict[str, Any]:
        return {"column_of": self.column_of, "weights": self.weights, "middle": self.middle_,
                "tails": self.tails_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(state["column_of"], state["weights"])
        head.middle_ = np.asarray(state["middle"])
        head.tails_ = TailHead.from_state(state["tails"])
        return head
