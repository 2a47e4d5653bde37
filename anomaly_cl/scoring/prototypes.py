"""Groups of normal behaviour: which one a row is nearest to, and how far from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.scoring.arrays import finite_matrix
from anomaly_cl.scoring.distances import SMALLEST_SHARE


class PrototypeHead:
    """Distance to the nearest prototype, in units of the usual distance of its group's rows.

    `prototypes` (groups, columns) are given; fit learns of each group its radius, the median distance of the normal
    rows nearest to it. So a row must come near one of the ways to be normal, and groups may be tight or wide.
    """

    def __init__(self, prototypes: ArrayLike):
        self.prototypes = np.asarray(prototypes)

    def fit(self, X: ArrayLike) -> Self:
        """Learn the radii from normal rows (rows, columns)."""
        self.prototypes_ = np.array(finite_matrix(self.prototypes, fewest=1), dtype=np.float64)
        apart = self._apart(X)
        group, nearest = apart.argmin(axis=0), apart.min(axis=0)
        usual = float(np.median(nearest[nearest > 0])) if (nearest > 0).any() else 1.0
        radii = [np.median(nearest[group == number]) if (group == number).any() else usual
                 for number in range(len(self.prototypes_))]
        self.radii_ = np.maximum(np.array(radii, dtype=np.float64), SMALLEST_SHARE * usual)
        return self

    def distances(self, X: ArrayLike) -> np.ndarray:
        return (self._apart(X) / self.radii_[:, None]).min(axis=0)

    def groups(self, X: ArrayLike) -> np.ndarray:
        """The number (rows,) of the group that a row is nearest to, in units of its radius."""
        return (self._apart(X) / self.radii_[:, None]).argmin(axis=0)

    def _apart(self, X: ArrayLike) -> np.ndarray:
        """Distances (groups, rows), summed column by column: the same numbers for any number of rows."""
        X = finite_matrix(X, columns=self.prototypes_.shape[1]).astype(np.float64)
        squared = np.zeros((len(self.prototypes_), len(X)))
        for prototype, column in zip(self.prototypes_.T, X.T, strict=True):
            squared += np.square(prototype[:, None] - column)
        return np.sqrt(squared)

    def to_state(self) -> dict[str, Any]:
        return {"prototypes": self.prototypes_, "radii": self.radii_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(state["prototypes"])
        head.prototypes_, head.radii_ = np.asarray(state["prototypes"]), np.asarray(state["radii"])
        return head
