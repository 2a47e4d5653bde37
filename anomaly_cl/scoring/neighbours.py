"""Exact nearest neighbours: the same numbers, bit for bit, however the queries are cut into chunks.

A matrix product gives |x|^2 + |y|^2 - 2xy quickly, but rounds differently for every shape of matrix. So the quick way
only proposes candidates, in single precision; their distances are then summed column by column, and an error bound
proves that no other row is nearer. Where the bound cannot prove it, double precision proposes, and where even that
cannot (ties), every row within the bound is measured.
"""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.candidates import best_candidates, factors

SPARE = 8  # candidates beyond k
FEW_COLUMNS = 8  # up to here a k-d tree beats the matrix product
MOST_CANDIDATES = 32  # that single precision may leave of a bank; more, and double precision has to choose
CELLS = 1 << 20  # pairs of rows measured at once: what bounds the memory


class ExactNeighbours:
    """Euclidean neighbours among `bank` (rows, columns), finite; equal distances are ordered by first appearance.

    Equal rows of the bank are kept once and counted, so that heavy duplication costs nothing. One that is
    `only_nearest`, asked for k = 1 alone, holds the bank once and as it is given, not twice in double precision.
    """

    def __init__(self, bank: np.ndarray, *, only_nearest: bool = False):
        # + 0.0 turns -0.0 into 0.0: equal rows must have equal bytes
        _, first, group = np.unique(bank + np.zeros((), bank.dtype), axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        group = rank[group.reshape(-1)]
        self.members = np.argsort(group, kind="stable")  # bank rows, grouped by the distinct row they equal
        self.counts = np.bincount(group)
        self.starts = np.cumsum(self.counts) - self.counts
        self.n_rows = len(bank)

        distinct = bank[first[order]]
        self.columns = np.ascontiguousarray(distinct.T)
        # small numbers round less; a mean would follow a single huge value
        self.centre = np.median(distinct.astype(np.float64), axis=0)
        centred = self._centred_bank()
        self.squares = np.square(centred).sum(axis=1)
        few = len(self.columns) <= FEW_COLUMNS
        self.proposer = None if only_nearest and not few else NearestNeighbors(
            algorithm="kd_tree" if few else "brute").fit(centred)
        self.kept = None if only_nearest else centred
        with np.errstate(over="ignore"):  # what is too large for single precision is left to double
            self.single = None if only_nearest or few else factors(centred, self.squares)

    def query(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances (rows, k), nearest first, and bank positions (rows, k); k is lowered to the size of the bank."""
        k = min(k, self.n_rows)
        distances, indices = np.empty((len(X), k)), np.empty((len(X), k), dtype=np.intp)
        step = max(1, CELLS // max(k * k, k + SPARE, len(self.columns)))
        for start in range(0, len(X), step):
            chunk = X[start:start + step].astype(np.float64)
            squared, distinct = self._nearest_distinct(chunk, min(k, len(self.counts)))
            distances[start:start + step], indices[start:start + step] = self._with_copies(squared, distinct, k)
        return distances, indices

    def _centred_bank(self) -> np.ndarray:
        return np.ascontiguousarray(self.columns.T, np.float64) - self.centre

    def _nearest_distinct(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances (rows, k) to the nearest distinct rows, and which they are."""
        n_distinct = len(self.counts)
        if len(X) * n_distinct <= CELLS:  # starting the threads of the proposer would take longer
            return self._measure_all(X, k, None)
        if k == 1 and len(self.columns) > FEW_COLUMNS:
            return self._nearest_one(X)
        if self.proposer is None:
            raise UsageError("this index is asked for the nearest row only", f"it is asked for {k}",
                             "make it without only_nearest")
        if self.single is None or n_distinct <= k + SPARE:
            return self._proposed_in_double(X, k)
        nearest, which, proved = self._proposed_in_single(X, k)
        if len(unproved := np.flatnonzero(~proved)):
            nearest[unproved], which[unproved] = self._proposed_in_double(X[unproved], k)
        return nearest, which

    def _proposed_in_single(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As _nearest_distinct, and for each row whether it is proved that no other row is nearer."""
        assert self.single is not None
        nearest, which = np.empty((len(X), k)), np.empty((len(X), k), np.intp)
        proved = np.zeros(len(X), bool)
        step = max(1, CELLS // self.single.shape[1])
        for start in range(0, len(X), step):
            part = slice(start, start + step)
            centred = X[part] - self.centre
            with np.errstate(over="ignore", invalid="ignore"):
                queries = np.ones((len(centred), len(self.single)), np.float32)
                queries[:, :-1] = centred
                estimates = queries @ self.single
                candidates = best_candidates(estimates, k + SPARE)
                worst = np.take_along_axis(estimates, candidates, 1).min(axis=1)
                beyond = np.square(centred).sum(axis=1) - 2 * worst.astype(np.float64)
                limit = beyond - self._rounding(centred, np.abs(beyond), np.float32)
            candidates = np.minimum(candidates, len(self.counts) - 1)  # where estimates are NaN, nothing is proved
            nearest[part], which[part] = self._measured(X[part], candidates, k)
            proved[part] = limit > nearest[part, -1]
        return nearest, which, proved

    def _measured(self, X: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances (rows, k) to the nearest of some distinct rows (rows, n), and which they are."""
        squared = _squared_distances(self.columns, X, np.arange(len(X))[:, None], candidates)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(squared, order, 1), np.take_along_axis(candidates, order, 1)

    def _proposed_in_double(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As _nearest_distinct."""
        assert self.proposer is not None
        n_distinct = len(self.counts)
        n_candidates = min(k + SPARE, n_distinct)
        centred = X - self.centre
        proposed, candidates = self.proposer.kneighbors(centred, n_candidates)
        candidates.sort(axis=1)
        nearest, which = self._measured(X, candidates, k)
        if n_candidates < n_distinct:
            beyond = np.square(proposed[:, -1])  # the estimate of every other row is at least this
            unproved = np.flatnonzero(beyond - self._rounding(centred, beyond) <= nearest[:, -1])
            step = max(1, CELLS // n_distinct)
            for start in range(0, len(unproved), step):
                rows = unproved[start:start + step]
                nearest[rows], which[rows] = self._measure_all(X[rows], k, nearest[rows, -1])
        return nearest, which

    def _nearest_one(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As _nearest_distinct for k = 1: an estimate in single precision rules out nearly all rows of the bank."""
        squared, which = np.full((len(X), 1), np.nan), np.zeros((len(X), 1), np.intp)
        with np.errstate(over="ignore"):  # what is too large for single precision is measured in double
            single, squares = self._centred_bank().astype(np.float32), self.squares.astype(np.float32)
        step = max(1, CELLS // len(self.counts))
        for start in range(0, len(X), step):
            rows = slice(start, start + step)
            centred = X[rows] - self.centre
            own = np.square(centred).sum(axis=1)
            with np.errstate(over="ignore", invalid="ignore"):
                estimate = centred.astype(np.float32) @ single.T  # less |x|^2, the same for the whole bank
                estimate *= -2
                estimate += squares
                least = np.maximum(estimate.min(axis=1) + own, 0)
                limit = least + self._rounding(centred, least, np.float32)
                limit += self._rounding(centred, limit, np.float32) - own
                within = estimate <= limit.astype(np.float32)[:, None]
                many = ~np.isfinite(limit) | (within.sum(axis=1) > MOST_CANDIDATES)
            within[many] = False
            row, candidates = np.divmod(np.flatnonzero(within), within.shape[1])
            found = _squared_distances(self.columns, X[rows], row, candidates)
            order = np.lexsort((candidates, found, row))
            first = order[np.unique(row[order], return_index=True)[1]]
            squared[start + row[first], 0], which[start + row[first], 0] = found[first], candidates[first]
            if many.any():
                hard = start + np.flatnonzero(many)
                squared[hard], which[hard] = self._measure_all(X[hard], 1, None)
        return squared, which

    def _measure_all(self, X: np.ndarray, k: int, limit: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """As _nearest_distinct, from all rows that the estimate, within its error, cannot rule out.

        `limit` (rows,) bounds the k-th squared distance, where that is known.
        """
        centred, bank = X - self.centre, self._centred_bank() if self.kept is None else self.kept
        estimate = np.square(centred).sum(axis=1)[:, None] + self.squares - 2 * (centred @ bank.T)
        if limit is None:
            kth = np.maximum(np.partition(estimate, k - 1, axis=1)[:, k - 1], 0)
            limit = kth + self._rounding(centred, kth)
        within = estimate <= (limit + self._rounding(centred, limit))[:, None]
        row, which = np.divmod(np.flatnonzero(within), within.shape[1])  # several times quicker than np.nonzero
        squared = _squared_distances(self.columns, X, row, which)
        order = np.lexsort((which, squared, row))
        counts = np.bincount(row, minlength=len(X))
        take = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
        return squared[take], which[take]

    def _rounding(self, centred: np.ndarray, squared: np.ndarray, kind: type = np.float64) -> np.ndarray:
        """How far the quick estimate of a squared distance of this size may be off, for each query.

        It is off by at most c (|x|^2 + |y|^2) with c = O(columns * eps) (Higham 2002, section 3.1; 8 leaves room for
        the centring, the root and the cast), and |y|^2 <= 2 |x|^2 + 2 |x - y|^2.
        """
        c = 8 * (len(self.columns) + 4) * np.finfo(kind).eps
        return 3 * c * (np.square(centred).sum(axis=1) + squared)

    def _with_copies(self, squared: np.ndarray, distinct: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours among all rows of the bank from those among its distinct rows."""
        ends = np.cumsum(self.counts[distinct], axis=1)
        place = np.arange(k)
        slot = (ends[:, None, :] <= place[:, None]).sum(axis=2)
        copy = place - np.take_along_axis(ends - self.counts[distinct], slot, 1)
        chosen = np.take_along_axis(distinct, slot, 1)
        return np.sqrt(np.take_along_axis(squared, slot, 1)), self.members[self.starts[chosen] + copy]


def _squared_distances(columns: np.ndarray, X: np.ndarray, row: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Squared distance of X[row] to bank row `which`, elementwise; added column by column, so the order is fixed."""
    total = np.zeros(which.shape)
    for column, x in zip(columns, X.T, strict=True):
        total += np.square(column[which] - x[row])
    return total
