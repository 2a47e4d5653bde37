"""Windows of a series as peers cut them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from anomaly_cl.features.windows import autocorrelation

FIRST_LAG = 3
SHORTEST_PERIOD, LONGEST_PERIOD, NO_PERIOD = 6, 303, 125
SHORTEST, PER_PREFIX = 8, 4  # a window has 8 steps or more, and a prefix holds four


def rank_2_period(x: np.ndarray) -> int:
    """Lag at which a series (steps,) is most like itself among lags longer than that at which it is so of all.

    Peaks of the autocorrelation at lags 3 to 400 of the first 20,000 steps; the strongest peak itself where none is
    longer. 125 where there is no peak, or the one found is below lag 6 or above 303. TSB-AD's `find_length_rank` with
    rank 2 (Liu and Paparrizos, "The Elephant in the Room", NeurIPS 2024).
    """
    likeness = autocorrelation(x)[FIRST_LAG:]
    peaks = 1 + np.flatnonzero((likeness[1:-1] > likeness[:-2]) & (likeness[1:-1] > likeness[2:]))
    if not len(peaks):
        return NO_PERIOD
    strongest = peaks[likeness[peaks].argmax()]
    longer = peaks[peaks > strongest]
    period = FIRST_LAG + int(longer[likeness[longer].argmax()] if len(longer) else strongest)
    return period if SHORTEST_PERIOD <= period <= LONGEST_PERIOD else NO_PERIOD


def window_length(series: np.ndarray, prefix: int) -> int:
    """Steps of a window: the rank-2 period of a series' first channel; at least 8, at most a quarter of the prefix."""
    return max(SHORTEST, min(rank_2_period(series[:, 0]), prefix // PER_PREFIX))


def cut(series: np.ndarray, length: int, stride: int = 1, points: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """First steps (n,) and windows (n, channels, width) of a series (steps, channels), one at its very end.

    Windows of more steps than `points` are resampled to as many by straight lines between steps.
    """
    starts = np.unique(np.append(np.arange(0, len(series) - length + 1, stride), len(series) - length))
    if points is None or length <= points:
        return starts, series[starts[:, None] + np.arange(length)].swapaxes(1, 2)
    places = np.linspace(0, length - 1, points)
    before = np.minimum(places.astype(np.int64), length - 2)
    share, at = (places - before)[:, None], starts[:, None] + before
    return starts, (series[at] * (1 - share) + series[at + 1] * share).swapaxes(1, 2)


@dataclass(frozen=True)
class Units:
    """Channels less their means, in standard deviations, as learned from a series (steps, channels)."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, series: np.ndarray) -> Self:
        spread = series.std(axis=0)
        return cls(series.mean(axis=0), np.where(spread > 1e-9, spread, 1))

    def apply(self, series: np.ndarray) -> np.ndarray:
        return (series - self.mean) / self.spread
