"""Distance heads: each learns from normal rows and gives one number a row, higher = stranger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_matrix
from anomaly_cl.scoring.filtered import FilteredNeighbours
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.neighbours import ExactNeighbours

SEARCHES = ("exact", "filtered")
SMALLEST_SHARE = 0.3  # of the median distance between neighbours: what a knot of nearly equal rows counts as


class DistanceHead(Protocol):
    """How far a row lies from the normal rows, whatever other rows are measured with it."""

    def fit(self, X: ArrayLike) -> Self:
        """Learn from normal rows (rows, columns), finite."""

    def distances(self, X: ArrayLike) -> np.ndarray:
        """Distance (rows,) float64 of rows (rows, columns), higher = stranger; raises InputError if not finite."""

    def to_state(self) -> dict[str, Any]:
        """Everything learned, as JSON values and arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The fitted head again."""


@runtime_checkable
class BankHead(DistanceHead, Protocol):
    """A head that keeps its rows as a bank and can leave each of them out of its own measurement."""

    def leave_one_out(self) -> np.ndarray:
        """Distance (rows of the bank,) of each row of the bank to the others."""


class KNNHead:
    """Mean or largest Euclidean distance to the k nearest normal rows.

    Sources: Angiulli and Pizzuti 2002 (mean), Ramaswamy, Rastogi and Shim 2000 (largest).

    With a `local_power` above 0 it is divided by that power of the distance that those neighbours have to their own.
    At 0.5 it lies half-way, in logarithms, from the distance to the ratio of both: a sparse but normal region is less
    strange. The full ratio, 1, is that of LOF; it forgets how far out a row lies. A bank of fewer than k rows lowers k.
    Results are equal, bit for bit, however the rows are cut into chunks; equal distances take the earliest row. With
    the search "filtered", new rows find nearly all of their true neighbours, many times quicker: `FilteredNeighbours`.
    """

    def __init__(self, k: int = 5, aggregate: str = "mean", local_power: float = 0.0, search: str = "exact"):
        self.k, self.aggregate, self.local_power, self.search = k, aggregate, local_power, search

    def fit(self, X: ArrayLike) -> Self:
        """Keep normal rows (rows, columns) as the bank; one row is enough."""
        if self.k < 1:
            raise UsageError("kNN needs k of 1 or more", f"it is {self.k}", "raise k")
        if self.aggregate not in ("mean", "max"):
            raise UsageError("aggregate is 'mean' or 'max'", f"it is {self.aggregate!r}", "choose one of them")
        if not 0 <= self.local_power <= 1:
            raise UsageError("the power of local scaling lies between 0 and 1", f"it is {self.local_power}",
                             "use for example 0.5")
        if self.search not in SEARCHES:
            raise UsageError(f"the search is one of {SEARCHES}", f"it is {self.search!r}", "choose one of them")
        self.bank_ = np.array(finite_matrix(X, fewest=1))
        exact = ExactNeighbours(self.bank_)
        self.index_ = exact if self.search == "exact" else FilteredNeighbours.fit(self.bank_, exact)
        self._measure_own_rows(exact)
        return self

    def neighbours(self, X: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances (rows, k) to the nearest rows of the bank, nearest first, and their positions (rows, k)."""
        return self.index_.query(finite_matrix(X, columns=self.bank_.shape[1]), k)

    def distances(self, X: ArrayLike) -> np.ndarray:
        distances, indices = self.neighbours(X, self.k)
        found = self._aggregate(distances)
        return found / _row_mean(self.scales_[indices]) if self.local_power else found

    def leave_one_out(self) -> np.ndarray:
        """Distance (rows of the bank,) of each row, as if the bank were the others only; 0 for a bank of one row."""
        return self.own_

    def _aggregate(self, distances: np.ndarray) -> np.ndarray:
        return _row_mean(distances) if self.aggregate == "mean" else distances[:, -1]

    def _measure_own_rows(self, exact: ExactNeighbours) -> None:
        """The distance of each row of the bank to the others (`own_`), and what it counts as a neighbour (`scales_`).

        The scales are powers of such distances, never much below the median's and never zero.
        """
        if len(self.bank_) == 1:
            self.own_, self.scales_ = np.zeros(1), np.ones(1)
            return
        # the first is the row itself; one more than k, for rows whose own neighbour is the row left out
        distances, indices = (found[:, 1:] for found in exact.query(self.bank_, self.k + 2))
        k = min(self.k, distances.shape[1])
        spare = distances.shape[1] > k
        self.own_ = raw = self._aggregate(distances[:, :k])
        positive = raw[raw > 0]
        floor = SMALLEST_SHARE * float(np.median(positive)) if len(positive) else 1.0
        self.scales_ = np.maximum(raw, floor) ** self.local_power
        if not self.local_power:
            return
        near, to_near = indices[:, :k], distances[:, :k]
        if not spare:
            self.own_ = raw / _row_mean(self.scales_[near])
            return
        mean_without = (raw[near] * k + distances[near, k] - to_near) / k
        without = mean_without if self.aggregate == "mean" else distances[near, k]
        is_neighbour = to_near <= distances[near, k - 1]
        scales = np.maximum(np.where(is_neighbour, without, raw[near]), floor) ** self.local_power
        self.own_ = raw / _row_mean(scales)

    def to_state(self) -> dict[str, Any]:
        state = {"k": self.k, "aggregate": self.aggregate, "local_power": self.local_power, "bank": self.bank_,
                 "own": self.own_, "scales": self.scales_}
        return state | ({"filter": self.index_.to_state()} if isinstance(self.index_, FilteredNeighbours) else {})

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(state["k"], state["aggregate"], state["local_power"], SEARCHES["filter" in state])
        head.bank_ = np.asarray(state["bank"])
        head.index_ = (FilteredNeighbours.from_state(state["filter"], head.bank_) if "filter" in state
                       else ExactNeighbours(head.bank_))
        head.own_, head.scales_ = np.asarray(state["own"]), np.asarray(state["scales"])
        return head


def _row_mean(values: np.ndarray) -> np.ndarray:
    # added column by column: np.mean may add in another order for a single row
    return sum(values.T, start=np.zeros(())) / values.shape[1]


class TailHead:
    """How far out a row lies in its columns, each by itself: -log of the tail probability.

    The tails are those of `Surprise`: empirical inside, extrapolated outside, so further out is always stranger. A
    two-sided column takes its rarer side, at twice its probability. With aggregate "max" the strangest column counts
    alone; "sum" treats the columns as independent, as ECOD does (Li et al. 2022), and so counts a common cause often.
    """

    def __init__(self, aggregate: str = "max"):
        self.aggregate = aggregate

    def fit(self, T: ArrayLike, two_sided: ArrayLike | None = None) -> Self:
        """Learn from normal rows T (rows, columns); `two_sided` (columns,) is False where only high is strange."""
        if self.aggregate not in ("sum", "max"):
            raise UsageError("aggregate is 'sum' or 'max'", f"it is {self.aggregate!r}", "choose one of them")
        T = finite_matrix(T, fewest=1)
        self.two_sided_ = np.ones(T.shape[1], bool) if two_sided is None else np.array(two_sided, dtype=bool)
        if self.two_sided_.shape != (T.shape[1],):
            raise InputError(f"two_sided marks {T.shape[1]} columns", f"its shape is {self.two_sided_.shape}",
                             "give one mark a column")
        self.upper_ = [Surprise().fit(column) for column in T.T]
        self.lower_ = {j: Surprise().fit(-T[:, j]) for j in np.flatnonzero(self.two_sided_).tolist()}
        return self

    def per_column(self, T: ArrayLike) -> np.ndarray:
        """Surprise (rows, columns) of each value by itself, >= 0, in nats."""
        T = finite_matrix(T, columns=len(self.upper_))
        surprises = np.empty(T.shape)
        for j, upper in enumerate(self.upper_):
            surprises[:, j] = upper(T[:, j])
            if j in self.lower_:
                either = np.maximum(surprises[:, j], self.lower_[j](-T[:, j])) - np.log(2)
                surprises[:, j] = np.maximum(either, 0)
        return surprises

    def distances(self, T: ArrayLike) -> np.ndarray:
        surprises = self.per_column(T)
        return surprises.max(axis=1) if self.aggregate == "max" else sum(surprises.T, start=np.zeros(()))

    def to_state(self) -> dict[str, Any]:
        """The curves packed end to end: few arrays, however many columns."""
        states = [curve.to_state() for curve in [*self.upper_, *self.lower_.values()]]
        return {
            "aggregate": self.aggregate, "two_sided": self.two_sided_,
            "sizes": np.array([len(state["knots"]) for state in states]),
            **{name: np.hstack([state[name] for state in states]) for name in states[0]},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(state["aggregate"])
        head.two_sided_ = np.asarray(state["two_sided"])
        ends = np.cumsum(state["sizes"])
        curves = [
            Surprise.from_state({
                name: state[name][end - size:end] if name in ("knots", "surprises") else state[name][i]
                for name in ("knots", "surprises", "unit", "base", "shape", "scale")
            })
            for i, (end, size) in enumerate(zip(ends, state["sizes"], strict=True))
        ]
        n_columns = len(head.two_sided_)
        head.upper_ = curves[:n_columns]
        head.lower_ = dict(zip(np.flatnonzero(head.two_sided_).tolist(), curves[n_columns:], strict=True))
        return head
