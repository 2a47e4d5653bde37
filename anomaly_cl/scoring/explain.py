"""Why a row is strange: how far its score falls when columns take the values that normal rows have there.

Any score will do: it is only asked for the scores of altered rows, all columns of all rows in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIKE_ROWS = 15  # normal rows most like a row in its other columns; their medoid says what is typical
MOST_COLUMNS = 32  # columns tried for a row; wider tables try those that differ most from what is typical
PAIRED_COLUMNS = 8  # of a row, whose pairs are tried
FARTHEST = 1.0  # squared distance in a column, beyond which it counts no more where whole rows are compared
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


def nearest_rows(rows: Cells, bank: Cells) -> np.ndarray:
    """The bank row (rows,) that is most like each row, where no column counts for more than a distance of 1.

    So it is one that agrees in most columns, however far off the others are.
    """
    found = np.zeros(len(rows), np.intp)
    for part, apart, total in _distances(rows, bank):
        found[part] = np.sum([np.minimum(each, FARTHEST) for each in apart.values()] or [total], axis=0).argmin(axis=1)
    return found


def falls(score: Score, rows: Cells, typical: Cells) -> np.ndarray:
    """Fall of the score (rows, columns), in its unit, when a column takes its typical value."""
    row, column = _tried(rows, typical)
    found = np.zeros((len(rows), rows.n_columns))
    found[row, column] = score(rows)[row] - scores_of_changes(score, rows, typical, row, _single(column, rows))
    return found


def contributions(score: Score, rows: Cells, typical: Cells, nearest: Cells, fall: np.ndarray) -> np.ndarray:
    """What each column adds to the score (rows, columns): the mean of its fall when the column takes its typical value,
    `falls`, and of the rise of the nearest normal row's score when that takes the column's value.

    One asks with all other oddities in place, the other without any: these are the last and the first place among all
    orders that a Shapley value is the mean over (Shapley 1953; Strumbelj and Kononenko 2010). A column that others
    hide, or help, counts either way.
    """
    row, column = _tried(rows, typical)
    found = np.zeros(fall.shape)
    rise = scores_of_changes(score, nearest, rows, row, _single(column, rows)) - score(nearest)[row]
    found[row, column] = (fall[row, column] + rise) / 2
    return found


def _tried(rows: Cells, typical: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) of rows, and the columns (n,) that differ from what is typical, the farthest 32 of each row."""
    apart = rows.apart(typical)
    tried = np.zeros(apart.shape, bool)
    np.put_along_axis(tried, np.argsort(-apart, axis=1, kind="stable")[:, :MOST_COLUMNS], True, axis=1)
    row, column = np.nonzero(tried & (apart > 0))
    return row, column


def _single(column: np.ndarray, rows: Cells) -> np.ndarray:
    """A mask (n, columns) of one column each."""
    mask = np.zeros((len(column), rows.n_columns), bool)
    mask[np.arange(len(column)), column] = True
    return mask


def pair_contributions(score: Score, rows: Cells, bank: Cells, single: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of columns (rows, pairs, 2), and the fall of the score (rows, pairs) when both change together.

    They take both values from one bank row, the medoid of those nearest in all other columns. Tried are all pairs among
    the eight columns with the largest contributions of their own, `single` (rows, columns).
    """
    few = min(PAIRED_COLUMNS, single.shape[1])
    one, other = np.triu_indices(few, 1)
    strongest = np.sort(np.argsort(-single, axis=1, kind="stable")[:, :few], axis=1)
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
    changed = np.zeros((len(row), single.shape[1]), bool)
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
