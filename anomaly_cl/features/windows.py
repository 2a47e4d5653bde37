"""Series as windows of one length, and what windows say back as one number a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cl.errors import UsageError

LONGEST_LAG = 400
LONGEST_PERIOD = 300  # beyond it the peak is more often a trend than a routine
SHORTEST_PERIOD = 3
NO_PERIOD = 125
ACF_STEPS = 20_000  # steps that a period is looked for in
CHUNK = 8_192  # windows looked at at once
MOST_POINTS = 64  # of a window; longer windows are resampled to so many


@dataclass(frozen=True)
class WindowPlan:
    """Windows of `length` steps, one every `stride` steps and one at the very end, each resampled to `points` points.

    A window of at most `points` steps keeps its steps. Raises UsageError for sizes below 1 (length: below 2).
    """

    length: int
    stride: int = 1
    points: int = MOST_POINTS

    def __post_init__(self) -> None:
        if self.length < 2 or self.stride < 1 or self.points < 2:
            raise UsageError("windows have 2 steps and points or more, and a stride of 1 or more", f"found {self}",
                             "correct the plan")

    @property
    def width(self) -> int:
        """Points of a window."""
        return min(self.length, self.points)

    def starts(self, n_steps: int) -> np.ndarray:
        """First steps (n,) of the windows of a series, in order; none of a series shorter than a window."""
        if n_steps < self.length:
            return np.zeros(0, np.int64)
        starts = np.arange(0, n_steps - self.length + 1, self.stride)
        last = n_steps - self.length
        return starts if starts[-1] == last else np.append(starts, last)

    def measured(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Those of the first steps `starts` (n,) whose windows have no missing value; the windows are never all cut."""
        if not np.isnan(values).any():
            return starts
        known = [~np.isnan(self.cut(values, starts[first:first + CHUNK])).any(axis=1)
                 for first in range(0, len(starts), CHUNK)]
        return starts[np.concatenate([np.zeros(0, bool), *known])]

    def cut(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Windows (n, width) float32 of one channel (steps,), resampled by straight lines between steps."""
        if self.length <= self.points:
            return values[starts[:, None] + np.arange(self.length)].astype(np.float32)
        places = np.linspace(0, self.length - 1, self.points)
        before = np.minimum(places.astype(np.int64), self.length - 2)
        share = places - before
        at = starts[:, None] + before
        return (values[at] * (1 - share) + values[at + 1] * share).astype(np.float32)


def distinct(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones (m, width) among windows (n, width), bit by bit, and which of them each window (n,) is."""
    if not windows.size:
        return windows, np.arange(len(windows))
    whole = np.ascontiguousarray(windows)
    bits = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1])))[:, 0]
    _, first, which = np.unique(bits, return_index=True, return_inverse=True)
    return whole[first], which


def step_means(scores: np.ndarray, starts: np.ndarray, length: int, n_steps: int) -> np.ndarray:
    """Mean score (n_steps,) of all windows that cover a step, of window scores (n,) by first step; NaN where none does.

    A score that is NaN is that of a window that could not be measured, and is left out.

    >>> step_means(np.array([1.0, 3.0]), np.array([0, 2]), 3, 6)
    array([ 1.,  1.,  2.,  3.,  3., nan])
    """
    known = np.isfinite(scores)
    starts, scores = starts[known], scores[known]
    total, count = np.zeros(n_steps), np.zeros(n_steps, np.int64)
    step = max(1, (1 << 22) // max(length, 1))
    for first in range(0, len(starts), step):  # added window by window: no rounding is carried along the series
        covered = (starts[first:first + step, None] + np.arange(length)).ravel()
        np.add.at(total, covered, np.repeat(scores[first:first + step], length))
        np.add.at(count, covered, 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def autocorrelation(values: np.ndarray, longest_lag: int = LONGEST_LAG) -> np.ndarray:
    """Autocorrelation at lags 0, 1, .. of a series (steps,) without gaps, divided by n at every lag; all 0 if constant.
    """
    x = np.asarray(values, float)[:ACF_STEPS]
    x = x - x.mean()
    spectrum = np.fft.rfft(x, 1 << int(np.ceil(np.log2(2 * len(x)))))
    products = np.fft.irfft(spectrum * np.conj(spectrum))[:min(longest_lag + 1, len(x))]
    return products / products[0] if products[0] > 1e-12 * max(len(x), 1) else np.zeros(len(products))


def repeating_length(correlation: np.ndarray) -> int:
    """Steps after which a series repeats itself, by its autocorrelation from lag 0 on: what a window should span.

    The highest peak at a longer lag than the highest of all: one repeat more than the shortest, if there are two, which
    holds what a single one may lack. 125, if there is no peak within 3 .. 300 steps.
    """
    inner = correlation[SHORTEST_PERIOD:]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:])) + 1
    if not len(peaks):
        return NO_PERIOD
    by_height = peaks[np.argsort(-inner[peaks], kind="stable")]
    longer = by_height[by_height > by_height[0]]
    length = int(longer[0] if len(longer) else by_height[0]) + SHORTEST_PERIOD
    longest = LONGEST_LAG if len(longer) else LONGEST_PERIOD
    return length if length <= longest else NO_PERIOD
