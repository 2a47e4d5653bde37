"""Candidates for nearest neighbours, by estimates that one matrix product gives of all rows of a bank."""

from __future__ import annotations

import numpy as np

GROUPS = 256  # of the estimates, the i-th in the group i mod 256; a group is looked at if its best is good enough
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
    """Positions (rows, n) of the largest estimates (rows, a multiple of 256), in no order.

    >>> estimates = np.zeros((1, 512), np.float32)
    >>> estimates[0, [3, 259, 500]] = [2, 3, 1]
    >>> np.sort(best_candidates(estimates, 3)).tolist()
    [[3, 259, 500]]
    """
    best = min(n, GROUPS)  # the best candidates lie in the groups whose best is best
    groups = estimates.reshape(len(estimates), -1, GROUPS)
    chosen = np.argpartition(groups.max(axis=1), GROUPS - best, axis=1)[:, GROUPS - best:]
    members = np.take_along_axis(groups, chosen[:, None], 2).reshape(len(estimates), -1)
    places = np.argpartition(members, members.shape[1] - n, axis=1)[:, members.shape[1] - n:]
    return places // best * GROUPS + np.take_along_axis(chosen, places % best, 1)
