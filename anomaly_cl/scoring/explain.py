"""Why a row is strange: how far its score falls when columns take the values that normal rows have there, and how far
that of an ordinary row rises by its values.

Any score will do: it is only asked for the scores of altered rows, all columns of all rows in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIKE_ROWS = 15  # normal rows most like a row in its other columns; their medoid says what is typical
SPARED_COLUMNS = 3  # of a row, in which an ordinary row may differ as much as it will
MOST_COLUMNS = 32  # columns tried for a row; wider tables try those that differ most from what is typical
PAIRED_COLUMNS = 8  # of a row, whose pairs are tried
CELLS = 4_000_000  # bounds the memory


@dataclass(frozen=True)
class Cells:
    """Rows as matrices {name: (rows, width)}, and the column {name: (width,)} that each output belongs to.

    `space` names the matrix in which rows are compared. A column may have no output there.
    """

    matrices: Mapping[str, np.ndarray]
    columns: Mapping[str, np.ndarray]
    space: str

    def __len__(self) -> int:
        return len(self.matrices[self.space])

    @property
    def n_columns(self) -> int:
        return 1 + max(int(columns.max(initial=-1)) for columns in self.columns.values())

    @property
    def width(self) -> int:
        """Outputs of all matrices together."""
        return sum(matrix.shape[1] for matrix in self.matrices.values())

    def take(self, index: Any) -> Cells:
        """The rows that positions, a mask or a slice pick."""
        return Cells({name: matrix[index] for name, matrix in self.matrices.items()}, self.columns, self.space)

    def replaced(self, others: Cells, mask: np.ndarray) -> Cells:
        """The rows with the columns of a mask (rows, columns) taken from other rows, row by row alike."""
        return Cells({name: np.where(mask[:, self.columns[name]], others.matrices[name], matrix)
                      for name, matrix in self.matrices.items()}, self.columns, self.space)

    def composed(self, positions: np.ndarray) -> Cells:
        """Rows whose column j is that of the row at positions[:, j], for positions (rows, columns)."""
        return Cells({name: matrix[positions[:, self.columns[name]], np.arange(matrix.shape[1])]
                      for name, matrix in self.matrices.items()}, self.columns, self.space)

    def apart(self, others: Cells) -> np.ndarray:
        """How far each column lies from other rows', row by row alike (rows, columns): in the space of comparison, or
        infinitely for a different column that has no output there.
        """
        found = np.zeros((len(self), self.n_columns))
        for output, column in enumerate(self.columns[self.space].tolist()):
            found[:, column] += np.abs(self.matrices[self.space][:, output] - others.matrices[self.space][:, output])
        for name, columns in self.columns.items():
            for output in np.flatnonzero(~np.isin(columns, self.columns[self.space])).tolist():
                found[self.matrices[name][:, output] != others.matrices[name][:, output], columns[output]] = np.inf
        return found


Score = Callable[[Cells], np.ndarray]


def typical_rows(rows: Cells, bank: Cells) -> np.ndarray:
    """For each row and column, the bank row (rows, columns) whose value there is typical of rows otherwise alike.

    Otherwise alike are the bank rows nearest in all columns but this one; typical is the medoid of their values: the
    value that is nearest to all the others. A column without output in the space of comparison takes the first.
    """
    found = np.zeros((len(rows), rows.n_columns), np.intp)
    there, blocks = bank.matrices[bank.space].astype(np.float64), _blocks(bank)
    for part, apart, total in _distances(rows, bank):
        for column, block in blocks.items():
            alike = _nearest(total - apart[column])
            found[part, column] = np.take_along_axis(alike, _medoid(there[:, block][alike]), 1)[:, 0]
    return found


def ordinary_rows(rows: Cells, bank: Cells) -> np.ndarray:
    """For each row the bank row (rows,) nearest to it when the columns in which they differ most are left out.

    Left out are three columns, or half of them if these are fewer: each bank row is measured without its own worst, so
    that a few strange columns do not decide which row is like this one in the others.
    """
    found = np.zeros(len(rows), np.intp)
    for part, apart, total in _distances(rows, bank):
        columns = np.stack(list(apart.values()))
        spared = min(SPARED_COLUMNS, len(columns) // 2)
        worst = np.partition(columns, len(columns) - spared, axis=0)[len(columns) - spared:] if spared else columns[:0]
        found[part] = (total - worst.sum(axis=0)).argmin(axis=1)
    return found


def falls(score: Score, rows: Cells, typical: Cells) -> np.ndarray:
    """Fall of the score (rows, columns), in its unit, when a column takes its typical value."""
    row, column, changed = _tried(rows, typical)
    found = np.zeros((len(rows), rows.n_columns))
    found[row, column] = score(rows)[row] - scores_of_changes(score, rows, typical, row, changed)
    return found


def contributions(score: Score, rows: Cells, typical: Cells, ordinary: Cells) -> tuple[np.ndarray, np.ndarray]:
    """What each column adds to the score (rows, columns), in its unit, and its fall alone: see `falls`.

    It is the mean of that fall and of the rise of the score of an ordinary row that takes the row's own value: what the
    column adds as the last one, and as the first, the two ends of what Shapley values average over (Shapley 1953).
    The fall alone says nothing of two strange columns each of which would do; the rise alone little of a value that is
    strange only beside others.
    """
    fall = falls(score, rows, typical)
    row, column, changed = _tried(rows, typical)
    found = np.zeros(fall.shape)
    found[row, column] = scores_of_changes(score, ordinary, rows, row, changed) - score(ordinary)[row]
    return (fall + found) / 2, fall


def _tried(rows: Cells, typical: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (n,) and columns (n,) that are tried, those that differ, and masks (n, columns) of the column alone."""
    apart = rows.apart(typical)
    tried = np.zeros(apart.shape, bool)
    np.put_along_axis(tried, np.argsort(-apart, axis=1, kind="stable")[:, :MOST_COLUMNS], True, axis=1)
    row, column = np.nonzero(tried & (apart > 0))
    changed = np.zeros((len(row), rows.n_columns), bool)
    changed[np.arange(len(row)), column] = True
    return row, column, changed


def pair_contributions(score: Score, rows: Cells, bank: Cells, falls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of columns (rows, pairs, 2), and the fall of the score (rows, pairs) when both change together.

    They take both values from one bank row, the medoid of those nearest in all other columns. Tried are all pairs among
    the eight columns with the largest contributions of their own, `falls` (rows, columns).
    """
    few = min(PAIRED_COLUMNS, falls.shape[1])
    one, other = np.triu_indices(few, 1)
    strongest = np.sort(np.argsort(-falls, axis=1, kind="stable")[:, :few], axis=1)
    pairs = np.stack([strongest[:, one], strongest[:, other]], axis=2)
    there, blocks = bank.matrices[bank.space].astype(np.float64), _blocks(bank)
    positions = np.zeros(pairs.shape[:2], np.intp)
    for part, apart, total in _distances(rows, bank):
        for i, row_pairs in enumerate(pairs[part]):
            for place, pair in enumerate(row_pairs.tolist()):
                known = [column for column in pair if column in blocks]
                alike = _nearest((total[i] - sum(apart[column][i] for column in known))[None])[0]
                values = there[:, np.concatenate([blocks[column] for column in known] or [np.zeros(0, np.intp)])][alike]
                positions[part.start + i, place] = alike[_medoid(values[None])[0, 0]]
    row = np.repeat(np.arange(len(rows)), pairs.shape[1])
    changed = np.zeros((len(row), falls.shape[1]), bool)
    np.put_along_axis(changed, pairs.reshape(-1, 2), True, axis=1)
    repeated = bank.take(positions.reshape(-1))
    after = scores_of_changes(score, rows.take(row), repeated, np.arange(len(row)), changed)
    return pairs, score(rows)[:, None] - after.reshape(positions.shape)


def scores_of_changes(score: Score, rows: Cells, others: Cells, row: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Scores (n,) of rows at positions (n,) that take the columns of a mask (n, columns) from the other rows."""
    found, step = np.empty(len(row)), max(1, CELLS // max(1, rows.width))
    for start in range(0, len(row), step):
        which = row[start:start + step]
        found[start:start + step] = score(rows.take(which).replaced(others.take(which), changed[start:start + step]))
    return found


def _blocks(cells: Cells) -> dict[int, np.ndarray]:
    """Outputs {column: (n,)} in the space of comparison."""
    columns = cells.columns[cells.space]
    return {column: np.flatnonzero(columns == column) for column in np.unique(columns).tolist()}


def _distances(rows: Cells, bank: Cells) -> Any:
    """Parts of the rows, with squared distances {column: (rows, bank rows)} and their sum."""
    blocks, there = _blocks(bank), bank.matrices[bank.space].astype(np.float64)
    here = rows.matrices[rows.space].astype(np.float64)
    step = max(1, CELLS // (len(bank) * rows.n_columns))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        apart = {column: _squared(here[part][:, block], there[:, block]) for column, block in blocks.items()}
        yield part, apart, np.sum(np.stack(list(apart.values())), axis=0)


def _squared(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Squared distances (rows, bank rows), summed output by output: the same numbers for any number of rows."""
    total = np.zeros((len(here), len(there)))
    for x, y in zip(here.T, there.T, strict=True):
        total += np.square(x[:, None] - y)
    return total


def _nearest(distances: np.ndarray) -> np.ndarray:
    """The bank rows (rows, 15) at the smallest of these distances (rows, bank rows), nearest first."""
    k = min(ALIKE_ROWS, distances.shape[1])
    chosen = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(np.take_along_axis(distances, chosen, 1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, 1)


def _medoid(values: np.ndarray) -> np.ndarray:
    """Which (rows, 1) of the values (rows, n, outputs) is nearest to all others of its row."""
    return np.square(values[:, :, None] - values[:, None]).sum(axis=3).sum(axis=2).argmin(axis=1)[:, None]
