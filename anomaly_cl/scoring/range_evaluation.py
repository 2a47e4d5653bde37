"""How well a score of time steps matches labelled spans where a hit close to a span counts in part.

Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume Under the Surface: A New Accuracy Evaluation Measure
for Time-Series Anomaly Detection", VLDB 2022; in the form of the benchmark TSB-AD (Liu and Paparrizos, "The Elephant in
the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.evaluation import anomalous_mask

THRESHOLDS = 250
PERIOD_STEPS, NO_PERIOD = 20_000, 125
_FIRST_LAG, _LAST_LAG = 3, 400
_SHORTEST, _LONGEST = 6, 303  # TSB-AD searches more lags than it accepts as a period


class Volumes(NamedTuple):
    """Volumes under the surfaces over buffers, of precision and recall and of the two rates of the ROC curve."""

    pr: float
    roc: float


class _Flagging(NamedTuple):
    """What the thresholds flag, from the strictest to one that flags all.

    level (steps + 1,): number of the first threshold that flags a step, at the end that of a step never flagged.
    flagged, hits (thresholds,): flagged steps, and those of them within spans.
    """

    level: np.ndarray
    flagged: np.ndarray
    hits: np.ndarray


def vus(labels: ArrayLike, score: ArrayLike, window: int) -> Volumes:
    """VUS-PR and VUS-ROC of scores (steps,), higher = stranger, against labels (steps,), 1 = anomaly and 0 = normal.

    Both are means over the buffers 0..window of an area under a curve of 250 thresholds. At buffer w a step d <= w // 2
    steps outside a span is anomalous by sqrt(1 - d / w); of several spans these add up, to 1 at most. Recall is
    multiplied by the share of spans that are flagged somewhere, each widened by w // 2 steps on both sides and joined
    with those it overlaps. Both volumes are 1 for the labels themselves. Raises InputError unless both
    labels occur, UsageError for a window below 0.
    """
    anomalous, s = anomalous_mask(labels), finite_vector(score)
    if len(anomalous) != len(s):
        raise InputError("each step has one label and one score", f"there are {len(anomalous)} and {len(s)}",
                         "give both for the same steps")
    if window < 0:
        raise UsageError("a window has 0 steps or more", f"it has {window}", "give the length of the series' period")
    edges = np.diff(np.r_[0, anomalous.astype(np.int8), 0])
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    flagging = _flagging(anomalous, s)
    areas = []
    for half in range(window // 2 + 1):
        found = _share_found(starts, ends, flagging.level, half)
        for buffer in range(2 * half, min(2 * half + 1, window) + 1):
            near = _anomalous_in_part(starts, ends, anomalous, half, buffer)
            areas.append(_areas(flagging, near, found))
    pr, roc = np.mean(areas, axis=0).tolist()
    return Volumes(pr, roc)


def strongest_period(values: ArrayLike) -> int:
    """The lag at which values (steps,) are most like themselves: TSB-AD's window for `vus`.

    It is that of the highest peak of the autocorrelation at lags 3 to 400 of the first 20,000 steps, and 125 where
    there is no peak or the highest one is below lag 6 or above 303.
    """
    x = finite_vector(values, fewest=1)[:PERIOD_STEPS]
    if np.ptp(x) == 0:
        return NO_PERIOD
    x = x - x.mean()
    padded = 1 << int(2 * len(x) - 1).bit_length()  # with room for all lags, so that none wraps around
    likeness = np.fft.irfft(np.abs(np.fft.rfft(x, padded)) ** 2, padded)[_FIRST_LAG:min(_LAST_LAG + 1, len(x))]
    peaks = 1 + np.flatnonzero((likeness[1:-1] > likeness[:-2]) & (likeness[1:-1] > likeness[2:]))
    if not len(peaks):
        return NO_PERIOD
    period = _FIRST_LAG + int(peaks[likeness[peaks].argmax()])
    return period if _SHORTEST <= period <= _LONGEST else NO_PERIOD


def _flagging(anomalous: np.ndarray, s: np.ndarray) -> _Flagging:
    falling = np.sort(s)[::-1][np.linspace(0, len(s) - 1, THRESHOLDS).astype(int)]
    level = np.searchsorted(-falling, -s)
    return _Flagging(np.append(level, THRESHOLDS), _up_to(level), _up_to(level[anomalous]))


def _up_to(level: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Number, or total weight, of the steps that each threshold flags (thresholds,)."""
    return np.cumsum(np.bincount(level, weights, minlength=THRESHOLDS)[:THRESHOLDS])


def _share_found(starts: np.ndarray, ends: np.ndarray, level: np.ndarray, half: int) -> np.ndarray:
    """Share of the widened spans that each threshold (thresholds,) flags somewhere; `ends` lie behind the spans."""
    apart = ends[:-1] + half <= starts[1:] - half
    first = np.maximum(starts[np.r_[True, apart]] - half, 0)
    behind = np.minimum(ends[np.r_[apart, True]] + half, len(level) - 1)
    strictest = np.minimum.reduceat(level, np.column_stack([first, behind]).ravel())[::2]
    return _up_to(strictest) / len(strictest)


def _anomalous_in_part(
    starts: np.ndarray, ends: np.ndarray, anomalous: np.ndarray, half: int, buffer: int
) -> np.ndarray:
    """By how much each step (steps,) outside the spans is anomalous, from 0 to 1."""
    distance = np.arange(1, half + 1)
    steps = np.stack([starts[:, None] - distance, ends[:, None] - 1 + distance])
    inside = (steps >= 0) & (steps < len(anomalous))
    weights = np.broadcast_to(np.sqrt(1 - distance / max(buffer, 1)), steps.shape)
    near = np.bincount(steps[inside], weights[inside], minlength=len(anomalous)).clip(max=1)
    near[anomalous] = 0
    return near


def _areas(flagging: _Flagging, near: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Areas under the precision-recall curve and the ROC curve of one buffer."""
    near_hits = _up_to(flagging.level[:-1], near)
    true = flagging.hits + near_hits
    positives = flagging.hits[-1] + near_hits / 2  # the mean of those of the labels and those that a flag confirms
    recall = np.r_[0, (true / positives).clip(max=1) * found]
    false_rate = (flagging.flagged - true) / (len(near) - positives)
    pr = np.sum(np.diff(recall) * true / flagging.flagged)
    return float(pr), float(np.trapezoid(np.r_[recall, 1], np.r_[0, false_rate, 1]))
