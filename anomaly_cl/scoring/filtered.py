"""Nearest neighbours by filter and refine: nearly always the true ones, at a tenth of the work.

The filter compares rows in their first principal components, by matrix products; what it proposes is measured in full.
Each row is found by itself: all products are of one shape, filled up with zeros, as one of another shape rounds
differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.extmath import randomized_svd

from anomaly_cl.scoring.candidates import LANES, best_candidates, factors
from anomaly_cl.scoring.neighbours import ExactNeighbours

RECALL = 0.995  # of the five nearest, that the components must find among rows of the bank
COMPONENTS = (16, 32, 48, 64, 96, 128, 192, 256)
MOST_SOLVED = 600  # columns of which all directions are computed
PROBED_ROWS, PROBED_K = 512, 5
SPARE = 8  # candidates beyond k
BLOCK_ROWS = 128  # queries of one product: their estimates stay in the cache of a core


class FilteredNeighbours:
    """Euclidean neighbours among `bank` (rows, columns), finite.

    An estimate of each squared distance, |Px - Py|^2 + |y - mean|^2 - |Py|^2 with the projection P on `components`
    principal components, picks k + 8 candidates; the k nearest of them are measured in full. As many components are
    kept as find 99.5 % of the five nearest neighbours of the bank's own rows. Rows that lie off the components' plane
    are found nearly as far as they are, never nearer. Squares are of single precision.
    """

    def __init__(self, bank: np.ndarray, centre: np.ndarray, basis: np.ndarray | None):
        """`basis` (columns, components) float32; None keeps the columns as they are."""
        self.centre, self.basis = centre, basis
        self.n_rows, self.width = bank.shape
        self.bank = _filled(bank.astype(np.float32), LANES)
        centred = bank.astype(np.float64) - centre
        projected = centred if basis is None else centred @ basis.astype(np.float64)
        self.factors = factors(projected, np.square(centred).sum(axis=1))

    @classmethod
    def fit(cls, bank: np.ndarray, exact: ExactNeighbours | None = None) -> Self:
        """Learn the components from the bank, given its exact neighbours where they are known already."""
        centre = bank.mean(axis=0, dtype=np.float64)
        directions = _directions(bank - centre, max(COMPONENTS))
        probed = bank[np.linspace(0, len(bank) - 1, min(PROBED_ROWS, len(bank))).astype(int)]
        true = (exact or ExactNeighbours(bank)).query(probed, PROBED_K + 1)[0]
        for components in COMPONENTS:
            if components < directions.shape[1]:
                found = cls(bank, centre, np.ascontiguousarray(directions[:, :components], np.float32))
                near = found.query(probed, PROBED_K + 1)[0]
                if np.mean(near <= true[:, -1:] * (1 + 1e-5)) >= RECALL:
                    return found
        return cls(bank, centre, None)

    @property
    def components(self) -> int:
        return self.width if self.basis is None else self.basis.shape[1]

    def query(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances (rows, k) float64, nearest first, and bank positions (rows, k); k is lowered to the bank's size."""
        from anomaly_cl.scoring.compiled import refine  # numba takes a second to import

        k = min(k, self.n_rows)
        n_candidates = min(k + SPARE, self.n_rows)
        squared, found = np.empty((len(X), k)), np.empty((len(X), k), np.intp)
        projected = np.zeros((BLOCK_ROWS, self.components + 1), np.float32)
        projected[:, -1] = 1
        centred, estimates = (np.zeros((BLOCK_ROWS, width), np.float32)
                              for width in (self.width, self.factors.shape[1]))
        for start in range(0, len(X), BLOCK_ROWS):
            rows = X[start:start + BLOCK_ROWS]
            np.subtract(rows, self.centre, out=centred[:len(rows)], casting="same_kind")
            centred[len(rows):] = 0
            if self.basis is None:
                projected[:, :-1] = centred
            else:
                np.matmul(centred, self.basis, out=projected[:, :-1])
            np.matmul(projected, self.factors, out=estimates)
            candidates = best_candidates(estimates[:len(rows)], n_candidates)
            np.minimum(candidates, self.n_rows - 1, out=candidates)  # estimates that overflow may pick what fills up
            part = slice(start, start + len(rows))
            refine(_filled(rows.astype(np.float32, copy=False), LANES), self.bank, candidates, squared[part],
                   found[part])
        return np.sqrt(squared), found

    def to_state(self) -> dict[str, Any]:
        """All but the bank."""
        return {"centre": self.centre, "basis": self.basis}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], bank: np.ndarray) -> Self:
        return cls(bank, np.asarray(state["centre"]), None if state["basis"] is None else np.asarray(state["basis"]))


def _directions(centred: np.ndarray, most: int) -> np.ndarray:
    """The first principal directions (columns, n) of centred rows (rows, columns); of large matrices `most` at most."""
    if centred.shape[1] <= MOST_SOLVED:
        return np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    # of wide tables all of them would take minutes; the first are enough
    return randomized_svd(centred, min(most + 1, *centred.shape), n_iter=2, random_state=0)[2].T


def _filled(rows: np.ndarray, multiple: int) -> np.ndarray:
    """The rows with columns of zeros up to a multiple."""
    width = -(-rows.shape[1] // multiple) * multiple
    if width == rows.shape[1]:
        return np.ascontiguousarray(rows)
    filled = np.zeros((len(rows), width), rows.dtype)
    filled[:, :rows.shape[1]] = rows
    return filled
