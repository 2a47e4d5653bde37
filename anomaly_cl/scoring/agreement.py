"""How far two scorings of the same rows agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from anomaly_cl.scoring.arrays import finite_vector


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's correlation of two scorings (rows,), with mid-ranks for ties; 0 where one of them is constant.

    >>> rank_correlation([1, 2, 3], [10, 20, 90]), rank_correlation([1, 2, 3], [5, 5, 5])
    (1.0, 0.0)
    """
    x, y = (rankdata(finite_vector(scores)) for scores in (a, b))
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length else 0.0


def top_overlap(a: ArrayLike, b: ArrayLike, k: int) -> float:
    """Share of the k rows that score highest by `a` which are so by `b` too; of equal scores the earlier row counts.

    >>> top_overlap([1, 2, 3, 4], [4, 1, 2, 3], 2)
    0.5
    """
    first, second = (np.argsort(-finite_vector(scores), kind="stable")[:k] for scores in (a, b))
    return len(np.intersect1d(first, second)) / k
