"""Calibration where neighbouring steps are alike: blocks of steps take the place of exchangeable rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.calibration import p_values

NO_BLOCK = -1


@dataclass(frozen=True)
class Blocks:
    """Which steps of a series calibrate, which are set aside, and which are free to learn from.

    `starts` are the first steps of the calibration blocks, in order, each `block` steps long; `gap` steps on both sides
    of each are set aside. The blocks are about independent if `gap` is at least the steps that a score looks back on
    plus the steps after which the series has forgotten its past.
    """

    n_steps: int
    block: int
    gap: int
    starts: tuple[int, ...]

    @property
    def n_blocks(self) -> int:
        return len(self.starts)

    @property
    def smallest_p(self) -> float:
        """No p-value of a step or span is below this: 1 / (n_blocks + 1)."""
        return 1 / (self.n_blocks + 1)

    @property
    def numbers(self) -> np.ndarray:
        """Number of the calibration block 0, 1, .. of each step, or -1 where none is; (n_steps,)."""
        numbers = np.full(self.n_steps, NO_BLOCK)
        for number, start in enumerate(self.starts):
            numbers[start:start + self.block] = number
        return numbers

    @property
    def calibrates(self) -> np.ndarray:
        """Steps whose scores calibrate; (n_steps,) bool."""
        return self.numbers != NO_BLOCK

    @property
    def set_aside(self) -> np.ndarray:
        """Steps of the gaps, that nothing may learn from; (n_steps,) bool."""
        return ~self.calibrates & ~self.free

    @property
    def free(self) -> np.ndarray:
        """Steps to learn from; (n_steps,) bool."""
        free = np.ones(self.n_steps, dtype=bool)
        for start in self.starts:
            free[max(start - self.gap, 0):start + self.block + self.gap] = False
        return free


def calibration_blocks(n_steps: int, block: int, gap: int, share: float) -> Blocks:
    """Evenly spread blocks of `block` steps, at most the `share` of n_steps, with `gap` steps on both sides of each.

    With m blocks the whole series is cut into m stretches, equal to one step, and a block is in the middle of each.
    Raises UsageError for settings that mean nothing, InputError if there is room for no block, or if no step to learn
    from is left between two blocks.

    >>> blocks = calibration_blocks(n_steps=20, block=2, gap=1, share=0.2)
    >>> "".join(np.select([blocks.calibrates, blocks.set_aside], ["c", "-"], "f").tolist())
    'fff-cc-ffffff-cc-fff'
    """
    for name, value, least in (("n_steps", n_steps, 0), ("block", block, 1), ("gap", gap, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} is a whole number, {least} or more", f"it is {value!r}", "correct it")
    if not 0 < share < 1:
        raise UsageError("share lies between 0 and 1", f"it is {share!r}", "give the share of steps that calibrate")
    n_blocks = int(n_steps * share / block + 1e-9)  # 0.3 of 10 steps is 3 steps, though 10 * 0.3 may be a hair less
    if n_blocks == 0:
        raise InputError(f"a calibration block has {block} steps", f"share {share} of {n_steps} steps is less",
                         "give a longer series, a larger share or shorter blocks")
    starts = tuple(((2 * k + 1) * int(n_steps) - n_blocks * int(block)) // (2 * n_blocks) for k in range(n_blocks))
    least_stretch = block + 2 * gap + 1
    if n_steps // n_blocks < least_stretch:
        raise InputError(f"a block, its two gaps and a step to learn from take {least_stretch} steps",
                         f"{n_steps} steps with {n_blocks} blocks have {n_steps // n_blocks} for each",
                         "give a smaller share, a shorter gap or longer blocks")
    return Blocks(int(n_steps), int(block), int(gap), starts)


def step_p_values(scores: ArrayLike, calibration_scores: ArrayLike, block_numbers: ArrayLike) -> np.ndarray:
    """p-values (steps,): (b + #{calibration >= score}) / (b + #calibration), where blocks have b steps.

    Of each calibration score (calibration steps,) the number of its block is given. If a block of new normal steps is
    exchangeable with the calibration blocks, then over its steps the expected share of p-values <= alpha is at most
    alpha, however much the steps of a block depend on each other: a step drawn from a block drawn from all m + 1 is
    equally likely each of their steps, so its rank among them is uniform, and b counts the whole of the new block as
    at least as strange (blocks permuted as in Chernozhukov, Wuthrich and Zhu 2018, "Exact and robust conformal
    inference methods for predictive machine learning with dependent data"; the bound b is ours, so that a
    p-value does not depend on the steps around it). The plain (1 + #) / (1 + n) breaks this with few blocks. Blocks of
    a stationary series are exchangeable in the limit of gaps after which it has forgotten its past. It is a promise
    about the average over calibrations, not about each of them, and none about the number of alerts in a row.

    The price: no p-value is below 1 / (m + 1), and a share of about alpha - 1 / m is alerted. Blocks of different
    lengths count as if the new one were as long as the longest. InputError if not finite or without a block number.

    >>> step_p_values([0.0, 4.0, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2]).tolist()
    [1.0, 0.625, 0.25]
    """
    calibration_scores, numbers = _numbered(calibration_scores, block_numbers)
    longest = np.unique(numbers, return_counts=True)[1].max()
    below = np.searchsorted(np.sort(calibration_scores), finite_vector(scores), side="left")
    return (longest + len(numbers) - below) / (longest + len(numbers))


def block_maxima(calibration_scores: ArrayLike, block_numbers: ArrayLike) -> np.ndarray:
    """The highest calibration score of each block (blocks,), by block number.

    >>> block_maxima([1.0, 5.0, 3.0, 2.0], [0, 0, 1, 1]).tolist()
    [5.0, 3.0]
    """
    calibration_scores, numbers = _numbered(calibration_scores, block_numbers)
    names, places = np.unique(numbers, return_inverse=True)
    maxima = np.full(len(names), -np.inf)
    np.maximum.at(maxima, places, calibration_scores)
    return maxima


def span_p_values(peaks: ArrayLike, maxima: ArrayLike) -> np.ndarray:
    """p-values (spans,) of the spans' highest scores: (1 + #{block maxima >= peak}) / (1 + #blocks).

    The chance that a block of normal steps, exchangeable with the calibration blocks, reaches this score anywhere:
    at most the share alpha of such blocks holds any step whose span has p <= alpha, for any number of spans in it.
    `maxima` (blocks,) as `block_maxima` gives; a span longer than a block is compared with too few steps.

    >>> span_p_values([4.0, 9.0], [5.0, 3.0, 2.0]).tolist()
    [0.5, 0.25]
    """
    return p_values(peaks, maxima)


def _numbered(scores: ArrayLike, block_numbers: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, numbers = finite_vector(scores, fewest=1), np.asarray(block_numbers)
    if numbers.shape != scores.shape or numbers.dtype.kind not in "iu":
        raise InputError("each calibration score has the whole number of its block",
                         f"there are {len(scores)} scores, and {numbers.dtype} of shape {numbers.shape}",
                         "give one block number a score")
    if (numbers < 0).any():
        raise InputError("calibration scores lie in a block", f"{int((numbers < 0).sum())} have a number below 0",
                         "give only the steps of `Blocks.calibrates`")
    return scores, numbers


def cluster_length(scores: ArrayLike, apart: int, level: float = 0.95) -> int:
    """How many steps of a series (steps,) tend to be strange together: the mean size of clusters of high scores.

    High scores are those above the quantile `level`; two of them less than `apart` steps from each other belong to one
    cluster. It is one over the runs estimate of the extremal index (Smith and Weissman 1994): n steps say as much about
    high scores as n / length independent ones. 1 where no score is high.

    >>> cluster_length([0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9], apart=2, level=0.5)
    4
    """
    if apart < 1 or not 0 < level < 1:
        raise UsageError("clusters are 1 step or more apart, and the level lies between 0 and 1",
                         f"found {apart=}, {level=}", "correct them")
    scores = finite_vector(scores, fewest=1)
    high = np.flatnonzero(scores > np.quantile(scores, level))
    clusters = 1 + int((np.diff(high) >= apart).sum())
    return max(1, round(len(high) / clusters))


def one_of_each(n_steps: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of one random step out of each `length` successive ones; a last, shorter piece gives one too.

    >>> one_of_each(5, 2, np.random.default_rng(0)).tolist()
    [1, 3, 4]
    """
    starts = np.arange(0, n_steps, length)
    sizes = np.minimum(starts + length, n_steps) - starts
    return starts + (rng.random(len(starts)) * sizes).astype(np.int64)
