"""Candidates for nearest neighbours, by estimates that one matrix product gives of all rows of a bank."""

from __future__ import annotations

import numpy as np

GROUPS = 256  # of the estimates, the i-th in the group i mod 256; a group is looked at if its best is good enough
LANES = 16  # partial sums of the squares of a row
NOWHERE = -3e38


def factors(rows: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """What queries [x, 1] are multiplied with to estimate xy - |y|^2 / 2, higher where y is nearer to x.

    Of the bank's rows y (rows, columns) and their squared lengths (rows,): float32 (columns + 1, rows and more), filled
    up with rows that are infinitely far.
    """
    n_filled = -(-len(rows) // GROUPS) * GROUPS
    product = np.zeros((rows.shape[1] + 1, n_filled), np.float32)
    product[:-1, :len(rows)] = rows.T
    product[-1] = NOWHERE
    product[-1, :len(rows)] = np.maximum(-squares / 2, NOWHERE)
    return product


def best_candidates(estimates: np.ndarray, n: int) -> np.ndarray:
    """Positions (rows, n), rising, of the largest estimates (rows, a multiple of 256) float32; n is 1 or more.

    >>> estimates = np.zeros((1, 512), np.float32)
    >>> estimates[0, [3, 259, 500]] = [2, 3, 1]
    >>> best_candidates(estimates, 3).tolist()
    [[3, 259, 500]]
    """
    from anomaly_cl.scoring.compiled import pick  # numba takes a second to import

    picked = np.zeros((len(estimates), n), np.intp)
    pick(estimates, picked)
    return picked
