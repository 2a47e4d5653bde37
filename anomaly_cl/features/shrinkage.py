"""Statistics of short histories, drawn towards the value of all records: arrays in, arrays out.

Each function takes what an entity's history says of an amount (NaN where there is none), how many amounts that rests
on, and the value of all records; `strength` is how many amounts the latter weighs as. Without history, the global
value is what is left. All give float64 of the broadcast shape of their arguments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

STRENGTH = 3.0


def shrunk(value: ArrayLike, count: ArrayLike, prior: ArrayLike, strength: float = STRENGTH) -> np.ndarray:
    """(count * value + strength * prior) / (count + strength): a mean or a median with a prior of so many records.

    The posterior mean under a conjugate normal prior (Gelman et al., Bayesian Data Analysis, 3rd ed., eq. 2.11).

    >>> shrunk([np.nan, 10.0, 10.0], [0, 1, 97], 50.0).tolist()
    [50.0, 40.0, 11.2]
    """
    count = np.asarray(count, np.float64)
    known = np.where(count > 0, value, 0.0)
    return (count * known + strength * np.asarray(prior, np.float64)) / (count + strength)


def shrunk_spread(spread: ArrayLike, count: ArrayLike, centre: ArrayLike, strength: float = STRENGTH) -> np.ndarray:
    """sqrt((count * spread**2 + strength * (centre / 2)**2) / (count + strength)).

    `centre` is the shrunk mean, half of which is the spread expected of an entity without history.

    >>> shrunk_spread([np.nan, 0.0, 6.0], [0, 3, 1000], 40.0).round(2).tolist()
    [20.0, 14.14, 6.09]
    """
    variance = np.square(np.asarray(spread, np.float64))
    return np.sqrt(shrunk(variance, count, np.square(np.asarray(centre, np.float64) / 2), strength))


def largest_or(largest: ArrayLike, count: ArrayLike, prior: ArrayLike, strength: float = STRENGTH) -> np.ndarray:
    """The largest amount, or strength * prior where there is none.

    >>> largest_or([np.nan, 7.0], [0, 2], 50.0).tolist()
    [150.0, 7.0]
    """
    return np.where(np.asarray(count) > 0, largest, strength * np.asarray(prior, np.float64))
