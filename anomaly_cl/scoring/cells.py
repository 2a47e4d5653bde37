"""Cells between the ordered values of reference rows: where a new row falls among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cl.errors import InputError


@dataclass(frozen=True)
class Cells:
    """The real line cut at some of n ordered reference values, for one or more columns at once.

    n values leave n + 1 gaps, and a new row that is exchangeable with them falls into each with the same probability.
    `gaps` int (cells,) says how many lie in each cell. Equal values are put in order at random: each comes with a
    tie-breaker, uniform on 0..1, so all of this also holds for columns of few values. `edges` float64 (columns,
    cells - 1) and `edge_ties` (the same shape) are those reference values at which the cells meet.
    """

    edges: np.ndarray
    edge_ties: np.ndarray
    gaps: np.ndarray

    @classmethod
    def between(cls, values: np.ndarray, ties: np.ndarray, n_cells: int) -> Cells:
        """Cells of about equal probability; values and ties (n, columns), infinities allowed, n >= n_cells - 1.

        >>> Cells.between(np.arange(9.0)[:, None], np.full((9, 1), 0.5), 5).edges.tolist()
        [[1.0, 3.0, 5.0, 7.0]]
        """
        n = len(values)
        if n < n_cells - 1:
            raise InputError(f"{n_cells} cells need {n_cells - 1} rows", f"there are {n}", "give more rows")
        ranks = np.round(np.arange(n_cells + 1) * (n + 1) / n_cells).astype(int)
        edges, edge_ties = np.empty((2, values.shape[1], n_cells - 1))
        for column in range(values.shape[1]):
            order = np.lexsort((ties[:, column], values[:, column]))[ranks[1:-1] - 1]
            edges[column], edge_ties[column] = values[order, column], ties[order, column]
        return cls(edges, edge_ties, np.diff(ranks))

    def place(self, values: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """The cell, int (rows, columns), of each of the values with its tie-breaker, both (rows, columns)."""
        from anomaly_cl.scoring.compiled import place  # numba takes a second to import

        expected = (len(values), len(self.edges))
        if not values.shape == ties.shape == expected or self.edges.shape != self.edge_ties.shape:
            raise InputError(f"{len(self.edges)} columns are placed, each value with a tie-breaker",
                             f"found shapes {values.shape}, {ties.shape} and {self.edge_ties.shape}",
                             "give the columns of the reference")
        placed = np.empty(values.shape, np.intp)
        place(values, ties, self.edges, self.edge_ties, placed)
        return placed

    def count(self, cells: np.ndarray) -> np.ndarray:
        """How many rows of `place` fall into each cell, int (columns, cells)."""
        n_columns, n_cells = len(self.edges), len(self.gaps)
        flat = cells + n_cells * np.arange(n_columns)
        return np.bincount(flat.ravel(), minlength=n_columns * n_cells).reshape(n_columns, n_cells)

    def to_state(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Cells:
        return cls(**{name: np.asarray(value) for name, value in state.items()})
