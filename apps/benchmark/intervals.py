"""How sure a mean difference between two models over data sets is, by drawing the sets anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES, LEVEL = 10_000, 0.95


class Interval(NamedTuple):
    """A mean, and between what it lies."""

    mean: float
    low: float
    high: float


def paired_bootstrap(
    ours: ArrayLike, other: ArrayLike, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Percentile interval of the mean of ours - other (sets,), sets drawn with replacement.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3. The same seed gives the same interval.
    """
    difference = np.asarray(ours, np.float64) - np.asarray(other, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(difference), (resamples, len(difference)))
    low, high = np.quantile(difference[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(difference.mean()), float(low), float(high))
