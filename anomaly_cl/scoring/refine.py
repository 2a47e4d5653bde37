"""The refining step of a filtered search: the best candidates by their estimates, measured in full.

Squares are added in a fixed order, so that a distance does not depend on what is measured with it.
"""

from __future__ import annotations

import numpy as np

LANES = 16  # partial sums of squares, added lane by lane: what a vector register holds
LAST_LANES = 4  # left when halves have been added to halves; these are added in double precision
GROUPS = 256  # of the estimates, the i-th in the group i mod 256; a group is looked at if its best is good enough


def refine(
    estimates: np.ndarray, X: np.ndarray, bank: np.ndarray, n_candidates: int, squared: np.ndarray, found: np.ndarray
) -> None:
    """Fill in squared distances (rows, k) float64 and bank positions (rows, k), nearest first, earliest of equals.

    estimates (rows, a multiple of 256, bank rows or more) float32: the higher, the nearer; measured are the
    best `n_candidates`. X (rows, width) and bank (bank rows, width) are float32, of a width that is a multiple of 16.
    """
    best = min(n_candidates, GROUPS)  # the best candidates lie in the groups whose best is best
    groups = estimates.reshape(len(estimates), -1, GROUPS)
    chosen = np.argpartition(groups.max(axis=1), GROUPS - best, axis=1)[:, GROUPS - best:]
    members = np.take_along_axis(groups, chosen[:, None], 2).reshape(len(estimates), -1)
    places = np.argpartition(members, members.shape[1] - n_candidates, axis=1)[:, members.shape[1] - n_candidates:]
    candidates = places // best * GROUPS + np.take_along_axis(chosen, places % best, 1)
    candidates.sort(axis=1)
    apart = bank[candidates]
    apart -= X[:, None]
    apart *= apart
    lanes = apart[..., :LANES].copy()
    for start in range(LANES, apart.shape[2], LANES):
        lanes += apart[..., start:start + LANES]
    while lanes.shape[2] > LAST_LANES:
        half = lanes.shape[2] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    total = np.zeros(lanes.shape[:2])
    for lane in range(LAST_LANES):
        total += lanes[..., lane]
    order = np.argsort(total, axis=1, kind="stable")[:, :squared.shape[1]]
    squared[:] = np.take_along_axis(total, order, 1)
    found[:] = np.take_along_axis(candidates, order, 1)
