"""The fewest columns that a strange row must change to be an ordinary one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cl.scoring.explain import MOST_COLUMNS, Cells, Score, scores_of_changes


@dataclass(frozen=True)
class Changes:
    """Which columns change (rows, columns), and the score (rows,) after; `reached` (rows,) where it is low enough."""

    changed: np.ndarray
    score: np.ndarray
    reached: np.ndarray


def fewest_changes(score: Score, rows: Cells, others: Cells, limit: np.ndarray, may_change: np.ndarray) -> Changes:
    """Few columns that take the values of other rows, row by row alike, for the score to fall below a limit (rows,).

    Greedy forward selection of the column that leaves the lowest score, among those that may change (columns,), then
    backward elimination of those that turn out not to be needed: none of the columns left can be left out. A row of
    more than 32 columns changes those that lie farthest from the other row. Rows below their limit change nothing.
    """
    apart = rows.apart(others) * may_change
    open_to = np.zeros(apart.shape, bool)
    np.put_along_axis(open_to, np.argsort(-apart, axis=1, kind="stable")[:, :MOST_COLUMNS], True, axis=1)
    open_to &= apart > 0
    changed, now = np.zeros(apart.shape, bool), score(rows)
    active = np.flatnonzero((now >= limit) & open_to.any(axis=1))
    while len(active):
        best, lowest = _best(score, rows, others, active, changed, open_to & ~changed, True)
        changed[active, best], now[active] = True, lowest
        active = active[(now[active] >= limit[active]) & (open_to & ~changed)[active].any(axis=1)]
    active = np.flatnonzero((now < limit) & (changed.sum(axis=1) > 1))
    while len(active):
        best, lowest = _best(score, rows, others, active, changed, changed, False)
        spared = lowest < limit[active]
        active, best, lowest = active[spared], best[spared], lowest[spared]
        changed[active, best], now[active] = False, lowest
        active = active[changed[active].sum(axis=1) > 1]
    return Changes(changed, now, now < limit)


def _best(
    score: Score, rows: Cells, others: Cells, active: np.ndarray, changed: np.ndarray, candidates: np.ndarray,
    change: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Of each active row the candidate column that leaves the lowest score when it too changes, or no longer does,
    and that score.
    """
    place, column = np.nonzero(candidates[active])
    tried = changed[active][place]
    tried[np.arange(len(place)), column] = change
    found = np.full((len(active), changed.shape[1]), np.inf)
    found[place, column] = scores_of_changes(score, rows, others, active[place], tried)
    best = found.argmin(axis=1)
    return best, found[np.arange(len(active)), best]
