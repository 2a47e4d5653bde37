"""Anomalies planted in known columns of normal rows, and which of them a detector notices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anomaly_cl.errors import InputError
from apps.benchmark.data import read_set

SETS = 10
COLUMNS = (6, 40)  # fewest and most
FEWEST_NORMAL, FEWEST_VALUES = 1_000, 10  # normal rows, and different values among them in each column
COUNTS = (1, 2, 3)  # columns that an anomaly is planted in
ROWS = 12  # kept of each kind and count
TRIES = 250  # rows of each kind and count that are planted in, at most
ALERT, UNSUSPICIOUS = 0.01, 0.1  # p-values: a planted row is kept if it fell to the first from above the second
BEYOND, SHIFT = (1.0, 3.0), (2.0, 4.0)  # in standard deviations of the column's normal values
DONORS = 20  # rows looked at for a value that is far enough from the row's own
APART = 1.0  # standard deviations that a swapped value differs by at least


def suits(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether a data set has the normal rows and numeric columns that planting needs."""
    normal = X[y == 0]
    return (COLUMNS[0] <= X.shape[1] <= COLUMNS[1] and len(normal) >= FEWEST_NORMAL
            and all(len(np.unique(column)) >= FEWEST_VALUES for column in normal.T))


def chosen(files: Sequence[Path], most: int = SETS) -> list[Path]:
    """The first of the data sets that suit, in their order; raises InputError if none does."""
    found: list[Path] = []
    for file in files:
        if len(found) < most and suits(*read_set(file)):
            found.append(file)
    if not found:
        raise InputError(f"a data set has {COLUMNS[0]} to {COLUMNS[1]} columns of {FEWEST_VALUES} or more values and "
                         f"{FEWEST_NORMAL} normal rows", f"none of {len(files)} has", "choose another folder")
    return found


class Normals(NamedTuple):
    """Normal rows: those that the detector learned from (n, columns), and others that values are taken from."""

    learned: np.ndarray
    others: np.ndarray


Kind = Callable[[np.random.Generator, np.ndarray, int, Normals], np.ndarray]


def extreme(rng: np.random.Generator, values: np.ndarray, column: int, normals: Normals) -> np.ndarray:
    """For values (rows,) of a column: some beyond the least or the largest of the rows learned from."""
    known, n = normals.learned[:, column], len(values)
    far = rng.uniform(*BEYOND, n) * known.std()
    return np.where(rng.random(n) < 0.5, known.min() - far, known.max() + far)


def shifted(rng: np.random.Generator, values: np.ndarray, column: int, normals: Normals) -> np.ndarray:
    """The values moved up or down, which may leave them among the normal ones."""
    far = rng.uniform(*SHIFT, len(values)) * normals.learned[:, column].std()
    return values + np.where(rng.random(len(values)) < 0.5, -far, far)


def swapped(rng: np.random.Generator, values: np.ndarray, column: int, normals: Normals) -> np.ndarray:
    """Each value of another normal row, the first of `DONORS` that is far enough; NaN where none is."""
    donors = normals.others[rng.integers(len(normals.others), size=(len(values), DONORS)), column]
    far = np.abs(donors - values[:, None]) >= APART * normals.learned[:, column].std()
    return np.where(far.any(axis=1), donors[np.arange(len(values)), far.argmax(axis=1)], np.nan)


KINDS: dict[str, Kind] = {"extreme": extreme, "swapped": swapped, "shifted": shifted}


def plant(
    rng: np.random.Generator, kind: Kind, rows: np.ndarray, n_columns: int, normals: Normals
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (rows, columns) with an anomaly in `n_columns` columns of each, and which (rows, columns) bool these are.

    The columns are drawn for each row, and each column's value by itself. Columns of whole numbers get whole numbers.
    """
    planted, mask = rows.copy(), np.zeros(rows.shape, bool)
    drawn = rng.permuted(np.tile(np.arange(rows.shape[1]), (len(rows), 1)), axis=1)[:, :n_columns]
    np.put_along_axis(mask, drawn, True, axis=1)
    for column in range(rows.shape[1]):
        here, known = mask[:, column], normals.learned[:, column]
        values = kind(rng, rows[here, column], column, normals)
        planted[here, column] = np.rint(values) if (known == np.rint(known)).all() else values
    return planted, mask


@dataclass(frozen=True)
class Planted:
    """Kept rows (rows, columns), where they were planted in, their kinds and counts, and their places in a cell.

    `found` is, for each kind and count, how many of the tried rows the detector noticed, and how many were tried.
    """

    rows: np.ndarray
    mask: np.ndarray
    kinds: np.ndarray
    counts: np.ndarray
    places: np.ndarray
    found: dict[tuple[str, int], tuple[int, int]]


def plant_all(p_value: Callable[[np.ndarray], np.ndarray], normals: Normals, keys: Sequence[int]) -> Planted:
    """The first `ROWS` rows of each kind and count that `p_value` (rows,) notices, as `ALERT` and `UNSUSPICIOUS` say.

    Rows are planted in others than the detector learned from, those that it finds unsuspicious. Streams of random
    numbers are those of `keys`. Raises InputError if the detector notices none.
    """
    calm = normals.others[p_value(normals.others) > UNSUSPICIOUS]
    cells, found = [], {}
    for number, (kind, count) in enumerate(product(KINDS, COUNTS)):
        rng = np.random.default_rng([*keys, number])
        rows = rng.permutation(calm)[:TRIES]
        planted, mask = plant(rng, KINDS[kind], rows, count, normals)
        whole = ~np.isnan(planted).any(axis=1)
        planted, mask = planted[whole], mask[whole]
        seen = np.flatnonzero(p_value(planted) <= ALERT) if len(planted) else np.zeros(0, np.intp)
        found[kind, count] = (len(seen), len(planted))
        cells += [(planted[place], mask[place], kind, count, i) for i, place in enumerate(seen[:ROWS])]
    if not cells:
        raise InputError("a detector notices some planted rows", "it noticed none", "choose another data set")
    rows_, masks, kinds, counts, places = zip(*cells, strict=True)
    return Planted(np.stack(rows_), np.stack(masks), *map(np.array, (kinds, counts, places)), found)
