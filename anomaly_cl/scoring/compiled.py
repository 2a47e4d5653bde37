"""Loops over rows that numba compiles; imported where they are needed, as that takes a second.

They keep the order of additions that is written here (no fast mathematics), so that a result depends neither on the
rows around nor on the width of the processor's registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from anomaly_cl.scoring.candidates import GROUPS, LANES

LAST_LANES = 4  # left when halves have been added to halves; these are added in double precision


def compiled(**options: Any) -> Callable[[Any], Any]:
    """Compiles a function for other threads to run beside, and keeps what was compiled where there is a folder for it.
    """
    def compile_it(function: Any) -> Any:
        settings: dict[str, Any] = {"nogil": True, "error_model": "numpy"} | options
        try:
            return njit(cache=True, **settings)(function)
        except RuntimeError:  # no folder can be written to
            return njit(**settings)(function)

    return compile_it


# a maximum does not depend on the order of its values
@compiled(fastmath={"nnan", "nsz"})
def _bests(estimates: np.ndarray, best: np.ndarray) -> None:
    """The largest estimate (groups,) of each group, of one row's (bank rows,)."""
    best[:] = estimates[:GROUPS]
    for start in range(GROUPS, len(estimates), GROUPS):
        for group in range(GROUPS):
            value = estimates[start + group]
            best[group] = value if value > best[group] else best[group]


@compiled()
def _keep(values: np.ndarray, places: np.ndarray, kept: int, value: float, place: int) -> int:
    """Put a value among the `kept` largest so far, from large to small, if it belongs there; how many are kept."""
    if kept == len(values):
        if value <= values[kept - 1]:
            return kept
        kept -= 1
    at = kept
    while at > 0 and values[at - 1] < value:
        values[at], places[at] = values[at - 1], places[at - 1]
        at -= 1
    values[at], places[at] = value, place
    return kept + 1


@compiled()
def pick(estimates: np.ndarray, picked: np.ndarray) -> None:
    """Fill in the positions (rows, n), rising, of the n largest estimates (rows, a multiple of 256)."""
    n = picked.shape[1]
    best, values = np.empty(GROUPS, np.float32), np.empty(n, np.float32)
    for row in range(len(estimates)):
        _bests(estimates[row], best)
        kept = 0
        for group in range(GROUPS):
            kept = _keep(values, picked[row], kept, best[group], group)
        least = values[n - 1] if kept == n else -np.inf  # the n best lie in groups whose best is at least this
        kept = 0
        for group in range(GROUPS):
            if best[group] >= least:
                for place in range(group, estimates.shape[1], GROUPS):
                    if estimates[row, place] >= least:
                        kept = _keep(values, picked[row], kept, estimates[row, place], place)
        picked[row].sort()


@compiled()
def _squared_distance(x: np.ndarray, y: np.ndarray, lanes: np.ndarray) -> float:
    """Squared distance of two rows (width,), a multiple of 16."""
    for lane in range(LANES):
        apart = y[lane] - x[lane]
        lanes[lane] = apart * apart
    for start in range(LANES, len(x), LANES):
        for lane in range(LANES):
            apart = y[start + lane] - x[start + lane]
            lanes[lane] += apart * apart
    half = LANES // 2
    while half >= LAST_LANES:
        for lane in range(half):
            lanes[lane] += lanes[lane + half]
        half //= 2
    total = 0.0
    for lane in range(LAST_LANES):
        total += np.float64(lanes[lane])
    return total


@compiled()
def refine(
    X: np.ndarray, bank: np.ndarray, candidates: np.ndarray, squared: np.ndarray, found: np.ndarray
) -> None:
    """Fill in squared distances (rows, k) float64 and bank positions (rows, k), nearest first, of rows' candidates.

    X (rows, width) and bank (bank rows, width) are float32, of a width that is a multiple of 16; candidates (rows, k or
    more) are positions. Of equals the earlier candidate comes first.
    """
    k, lanes = squared.shape[1], np.empty(LANES, np.float32)
    nearness = np.empty(k, np.float64)
    for row in range(len(X)):
        kept = 0
        for place in range(candidates.shape[1]):
            candidate = candidates[row, place]
            kept = _keep(nearness, found[row], kept, -_squared_distance(X[row], bank[candidate], lanes), candidate)
        squared[row] = -nearness


@compiled()
def place(
    values: np.ndarray, ties: np.ndarray, edges: np.ndarray, edge_ties: np.ndarray, placed: np.ndarray
) -> None:
    """Fill in how many edges (columns, edges) lie below values with their tie-breakers, all (rows, columns)."""
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value, below, above = values[row, column], 0, edges.shape[1]
            while below < above:  # edges and their ties rise together
                middle = (below + above) // 2
                edge = edges[column, middle]
                if edge < value or (edge == value and edge_ties[column, middle] < ties[row, column]):
                    below = middle + 1
                else:
                    above = middle
            placed[row, column] = below
