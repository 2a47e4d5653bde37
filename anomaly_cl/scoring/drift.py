"""Is the calibration still true? Incoming unlabelled rows against the calibration rows, one look after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.cells import Cells
from anomaly_cl.scoring.drift_verdict import LEVEL, ColumnDrift, DriftVerdict, Finding, decide
from anomaly_cl.scoring.martingale import log_capital, together

FEWEST_ROWS = 100  # calibration rows; fewer show no drift that would matter
SCORE_CELLS, COLUMN_CELLS = 100, 10
BULK = 90  # of the score cells: the strange tenth above, where anomalies are, is compared by its size alone
TIES_OF_STREAMS = 20_261_124  # seed of the tie-breakers, so that the same rows get the same verdict


class DriftReference:
    """What drift is measured against: the scores of calibration rows and one number for each of their columns.

    Columns are compared among bulk rows, those whose score is not in the strange tenth: a file with some fraud in it
    has not drifted. `cells_` is None for fewer than 100 rows. Of `score_cells_` and `column_cells_` (of the bulk
    rows), see `Cells`; `column_counts_` int (columns, cells) are all rows.
    """

    def fit(self, scores: ArrayLike, numbers: np.ndarray, names: tuple[str, ...], rng: np.random.Generator) -> Self:
        """Learn from scores (rows,) and numbers (rows, columns), where infinity is allowed and NaN is not."""
        scores, numbers = _rows(scores, numbers, len(names))
        self.names_, self.n_rows_ = tuple(names), len(scores)
        self.score_cells_ = self.column_cells_ = self.column_counts_ = None
        if len(scores) < FEWEST_ROWS:
            return self
        score_ties, ties = (stream.random(shape) for stream, shape in
                            zip(rng.spawn(2), ((len(scores), 1), numbers.shape), strict=True))
        self.score_cells_ = Cells.between(scores[:, None], score_ties, SCORE_CELLS)
        # strictly below a value of the reference the rows are again exchangeable; that value's own row is neither
        order = np.lexsort((score_ties[:, 0], scores))
        bulk = order[:int(self.score_cells_.gaps[:BULK].sum()) - 1]
        self.column_cells_ = Cells.between(numbers[bulk], ties[bulk], COLUMN_CELLS)
        self.column_counts_ = self.column_cells_.count(self.column_cells_.place(numbers, ties))
        return self

    def to_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"names": list(self.names_), "n_rows": self.n_rows_}
        if self.score_cells_ is not None and self.column_cells_ is not None:
            state |= {"scores": self.score_cells_.to_state(), "columns": self.column_cells_.to_state(),
                      "column_counts": self.column_counts_}
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        reference = cls()
        reference.names_, reference.n_rows_ = tuple(state["names"]), state["n_rows"]
        reference.score_cells_ = reference.column_cells_ = reference.column_counts_ = None
        if "scores" in state:
            reference.score_cells_ = Cells.from_state(state["scores"])
            reference.column_cells_ = Cells.from_state(state["columns"])
            reference.column_counts_ = np.asarray(state["column_counts"])
        return reference


class DriftMonitor:
    """Counts a stream of rows as it comes, in memory that does not grow with it.

    The verdict is about all rows so far, whatever their order and however they are cut into batches: the rows of a day,
    which change by the hour, have not drifted if they are together as the days of the calibration were.
    """

    def __init__(self, reference: DriftReference):
        self.reference = reference
        n_columns = len(reference.names_)
        self.rows = 0
        self._scores = np.zeros(SCORE_CELLS, int)
        self._bulk = np.zeros((n_columns, COLUMN_CELLS), int)  # bulk rows, the others too in the next
        self._all = np.zeros((n_columns, COLUMN_CELLS), int)
        self._score_ties, self._ties = map(np.random.default_rng, np.random.SeedSequence(TIES_OF_STREAMS).spawn(2))

    def add(self, scores: ArrayLike, numbers: np.ndarray) -> None:
        """Count scored rows: scores (rows,) and numbers (rows, columns)."""
        scores, numbers = _rows(scores, numbers, len(self.reference.names_))
        score_cells, column_cells = self.reference.score_cells_, self.reference.column_cells_
        self.rows += len(scores)
        if score_cells is None or column_cells is None:
            return
        score = score_cells.place(scores[:, None], self._score_ties.random((len(scores), 1)))
        columns = column_cells.place(numbers, self._ties.random(numbers.shape))
        self._scores += score_cells.count(score)[0]
        self._bulk += column_cells.count(columns[score[:, 0] < BULK])
        self._all += column_cells.count(columns)

    def verdict(self, level: float = LEVEL) -> DriftVerdict:
        """What the rows so far say; at most a share `level` of streams without drift ever gets "recalibrate"."""
        reference = self.reference
        if reference.score_cells_ is None or reference.column_cells_ is None or reference.column_counts_ is None:
            return decide(self.rows, reference.n_rows_, FEWEST_ROWS, (), (), level)
        seen, expected = self._scores, reference.score_cells_.gaps
        shape_log = log_capital(*(together(cells[:BULK], SCORE_CELLS // COLUMN_CELLS) for cells in (seen, expected)))
        tail_log = log_capital(*(together(cells, BULK) for cells in (seen, expected)))
        findings = (
            Finding("bulk", float(shape_log), 0.25, kolmogorov_smirnov(seen[:BULK], expected[:BULK])),
            Finding("tail", float(tail_log), 0.25, tail_excess(seen, expected)),
        )
        share = 0.5 / max(len(reference.names_), 1)
        logs = log_capital(self._bulk, reference.column_cells_.gaps)
        columns = tuple(
            ColumnDrift(name, float(log), share, stability_index(counts, base))
            for name, log, counts, base in zip(reference.names_, logs, self._all, reference.column_counts_, strict=True)
        )
        return decide(self.rows, reference.n_rows_, FEWEST_ROWS, findings, columns, level)


def stability_index(counts: np.ndarray, reference: np.ndarray) -> float:
    """Population stability index of counts (cells,): the sum of (q - p) log(q / p), half a row added to each cell.

    By custom 0.1 is a moderate and 0.25 a large change (Siddiqi 2006, "Credit Risk Scorecards", chapter 9).

    >>> round(stability_index(np.array([50, 50]), np.array([50, 50])), 3)
    0.0
    """
    if not counts.sum():
        return 0.0
    q, p = ((part + 0.5) / (part.sum() + 0.5 * len(part)) for part in (counts, reference))
    return float(np.sum((q - p) * np.log(q / p)))


def kolmogorov_smirnov(counts: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference of the two cumulative shares, at the edges of the cells (cells,); 0 without rows.

    >>> kolmogorov_smirnov(np.array([30, 10]), np.array([20, 20]))
    0.25
    """
    if not counts.sum():
        return 0.0
    return float(np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(reference) / reference.sum()).max())


def tail_excess(counts: np.ndarray, reference: np.ndarray) -> float:
    """How much larger than expected the share of rows in the strange tenth of the score cells is; at least 0."""
    if not counts.sum():
        return 0.0
    return max(float(counts[BULK:].sum() / counts.sum() - reference[BULK:].sum() / reference.sum()), 0.0)


def _rows(scores: ArrayLike, numbers: np.ndarray, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    scores, numbers = finite_vector(scores), np.asarray(numbers, np.float64)
    if numbers.shape != (len(scores), n_columns):
        raise InputError(f"each scored row has {n_columns} numbers, one a column",
                         f"{len(scores)} scores came with numbers of shape {numbers.shape}",
                         "give both of the same rows")
    if np.isnan(numbers).any():
        raise InputError("a column's numbers are no NaN", f"{int(np.isnan(numbers).sum())} are",
                         "give infinity for a missing value")
    return scores, numbers
