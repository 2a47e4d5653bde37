"""The views in which windows of a channel are compared with normal ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LEAST_SPREAD = 0.05  # of a window, in standard deviations of the channel: below it a flat stretch would be all noise
SCALED = 0.25  # how far a window is brought to spread 1: at 1 amplitude is forgotten, at 0 it is all that counts
FAR_OUT = 20.0  # nats
MEDIAN_OF = 5

WindowView = Callable[[np.ndarray], np.ndarray]


def centred(windows: np.ndarray) -> np.ndarray:
    """Windows (n, points) less their means."""
    return windows - windows.mean(axis=1, keepdims=True)


def scaled(windows: np.ndarray) -> np.ndarray:
    """Windows (n, points) less their means, in part brought to equal spread."""
    less = centred(windows)
    return less / np.maximum(less.std(axis=1, keepdims=True), LEAST_SPREAD) ** SCALED


def differences(windows: np.ndarray) -> np.ndarray:
    """Steps (n, points - 1) between successive points of windows."""
    return np.diff(windows, axis=1)


def as_they_are(windows: np.ndarray) -> np.ndarray:
    return windows


def beside_median(values: np.ndarray) -> np.ndarray:
    """Distance (steps,) of each value from the median of the five around it: what single odd readings have.

    NaN values give NaN, and have no part in the medians of others.

    >>> beside_median(np.array([1.0, 1.0, 5.0, 1.0, 1.0]))
    array([0., 0., 4., 0., 0.])
    """
    if not len(values):
        return np.zeros(0)
    half = MEDIAN_OF // 2
    padded = np.pad(values, half, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_OF)
    ordered = np.sort(around, axis=1)  # NaN last
    n = MEDIAN_OF - np.isnan(around).sum(axis=1)
    rows = np.arange(len(values))
    middle = (ordered[rows, np.maximum(n - 1, 0) // 2] + ordered[rows, n // 2]) / 2
    return np.abs(values - middle)


def tempered(surprise: np.ndarray) -> np.ndarray:
    """Surprise as it is up to 20 nats, and growing as its logarithm beyond.

    So rare is nothing that a normal series can show: what a curve says there is how steep its tail was drawn, and a
    single head or channel whose normal distances are tiny would drown all others.

    >>> tempered(np.array([3.0, 20.0, 20.0 * np.e]))
    array([ 3., 20., 40.])
    """
    return np.where(surprise > FAR_OUT, FAR_OUT * (1 + np.log(np.maximum(surprise, FAR_OUT) / FAR_OUT)), surprise)


VIEWS: dict[str, WindowView] = {"centred": centred, "scaled": scaled, "differences": differences, "level": as_they_are}
DOUBLE = "double"
POINT = "point"
TRAINED = "trained"
WEIGHTS = {"level": 0.25, POINT: 0.25, TRAINED: 2.0}  # of a head; others 1; a member shares its own among channels
