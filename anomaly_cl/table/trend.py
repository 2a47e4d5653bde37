"""Whether numbers grow with the order of the records or with their time."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

ENOUGH_ROWS = 30
_MOST_ROWS = 2_000  # evenly spaced rows that a rank correlation looks at
_GROWING = 0.95
_REGULAR_STEPS = 0.3  # of random points in order, the steps vary by 1 (they are exponential), of a clock by 0


def grows_with(values: np.ndarray, clock: np.ndarray) -> bool:
    """Whether Spearman's rank correlation of two columns, shape (n,), is beyond 0.95; pairs with NaN are left out.

    >>> grows_with(np.arange(50.0) ** 3, np.arange(50.0)), grows_with(np.arange(50.0) % 7, np.arange(50.0))
    (True, False)
    """
    both = np.flatnonzero(~np.isnan(values) & ~np.isnan(clock))
    if len(both) < ENOUGH_ROWS:
        return False
    some = both[np.unique(np.linspace(0, len(both) - 1, _MOST_ROWS).astype(int))]
    ranks = rankdata(values[some]), rankdata(clock[some])
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return False
    return bool(abs(np.corrcoef(*ranks)[0, 1]) > _GROWING)


def is_strict(values: np.ndarray) -> bool:
    """Whether each of at least three values is larger than the one before, or each smaller."""
    before, after = values[:-1], values[1:]
    return len(values) > 2 and bool((after > before).all() or (after < before).all())


def has_regular_steps(values: np.ndarray) -> bool:
    """Whether the steps from one value to the next are nearly equal, as of a clock that ticks.

    >>> has_regular_steps(np.arange(100) / 10), has_regular_steps(np.sort(np.random.default_rng(0).random(100)))
    (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest number have no regular steps
        steps = np.diff(values[np.isfinite(values)])
        return len(steps) > 1 and bool(steps.std() < _REGULAR_STEPS * abs(steps.mean()))
