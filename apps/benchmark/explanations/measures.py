"""How good an explanation is: whether its first columns are the planted ones, and how fast the score falls by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FIRST = 3
NEAR = 3.0  # standard deviations beyond which a column's difference counts no more
CELLS = 20_000_000  # bounds the memory


def ranked(contributions: np.ndarray) -> np.ndarray:
    """The columns of each row (rows, columns), largest contribution first, equal ones in the order of the columns."""
    return np.argsort(-contributions, axis=1, kind="stable")


def hit_first(order: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """For each row, 1.0 if its first-ranked column is among the planted ones (rows, columns) bool, else 0.0."""
    return np.take_along_axis(mask, order[:, :1], 1)[:, 0].astype(float)


def hit_share(order: np.ndarray, mask: np.ndarray, first: int = FIRST) -> np.ndarray:
    """For each row, the share of its planted columns that are among the first ones; at most `first` are planted."""
    return np.asarray(np.take_along_axis(mask, order[:, :first], 1).sum(axis=1) / mask.sum(axis=1))


def nearest_normal(rows: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """For each row the normal row (rows, columns) nearest to it.

    Near by the sum over columns of the difference in standard deviations, each at most `NEAR`: so a few columns that
    are far off do not hide in which rows all others agree.
    """
    spread = normal.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    step = max(1, CELLS // normal.size)
    found = [normal[np.minimum(np.abs(part[:, None] - normal) / scale, NEAR).sum(axis=2).argmin(axis=1)]
             for part in (rows[start:start + step] for start in range(0, len(rows), step))]
    return np.concatenate(found)


def deletion_areas(
    score: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, order: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """For each row the area (rows,) under its deletion curve; the lower, the earlier the columns that matter came.

    The columns take the values of `normal` (rows, columns) one after the other, in the order given. The curve is the
    score after each, over the share of columns, as a share of what all columns together take off it; the area is by
    the trapezoidal rule. NaN where they take off nothing. After Petsiuk et al. 2018 (RISE), section 4.3, for columns.
    """
    n_rows, n_columns = rows.shape
    changed, curve = rows.copy(), np.empty((n_rows, n_columns + 1))
    curve[:, 0] = score(rows)
    for step in range(n_columns):
        at = order[:, step, None]
        np.put_along_axis(changed, at, np.take_along_axis(normal, at, 1), 1)
        curve[:, step + 1] = score(changed)
    whole = curve[:, 0] - curve[:, -1]
    shares = (curve - curve[:, -1:]) / np.where(whole > 0, whole, np.nan)[:, None]
    return np.asarray(np.trapezoid(shares, dx=1 / n_columns, axis=1))
