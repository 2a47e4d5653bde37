"""From a score to a rate: what share of normal rows looks at least this strange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.tails import TailBeyond, fit_pareto, goodness_of_fit

FEWEST_BEYOND, MOST_BEYOND = 25, 500  # calibration rows above the tail's threshold
REJECT_FIT = 0.01
SMALLEST_P = 1e-10  # where the scale of risk ends


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> np.ndarray:
    """Conformal p-values (rows,): (1 + #{calibration >= score}) / (1 + #calibration), higher scores = stranger.

    Super-uniform for a normal row that is exchangeable with the calibration rows, with ties and any number of them
    (Vovk, Gammerman and Shafer 2005, proposition 2.8; Bates et al. 2023, equation 3). InputError if not finite.

    >>> p_values([0.5, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.75, 0.25]
    """
    return _p_values(finite_vector(scores), np.sort(finite_vector(calibration_scores, fewest=1)))


def _p_values(scores: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    at_least = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return (1 + at_least) / (1 + len(ordered))


def risk(p: ArrayLike) -> np.ndarray:
    """-10 log10(p), clipped to 0..100: risk 30 = one normal record in 1,000 looks this odd.

    >>> risk([1.0, 0.1, 0.001, 0.0]).tolist()
    [0.0, 10.0, 30.0, 100.0]
    """
    p = finite_vector(p)
    if ((p < 0) | (p > 1)).any():
        raise InputError("p-values lie between 0 and 1", f"they reach from {p.min()} to {p.max()}", "give p-values")
    return np.abs(-10 * np.log10(np.maximum(p, SMALLEST_P)))  # abs turns -0.0 into 0.0


class Calibration:
    """The scores of calibration rows: normal rows that nothing else of the detector has seen.

    `p_value` is exactly valid. `p_tail` equals it up to the largest calibration score; beyond, where every p-value is
    1 / (n + 1), a generalised Pareto tail of the highest scores extrapolates (a model, not a guarantee). With fewer
    than 100 rows, or where the tail does not fit, `tail_` is None, p_tail is the p-value, and `tail_note_` says why.
    """

    def fit(self, scores: ArrayLike) -> Self:
        """Learn from scores (rows,), one or more; raises InputError if they are not finite."""
        self.scores_ = np.sort(finite_vector(scores, fewest=1))
        self.tail_, self.tail_note_ = _fit_tail(self.scores_)
        return self

    @property
    def n_rows_(self) -> int:
        return len(self.scores_)

    def p_value(self, scores: ArrayLike) -> np.ndarray:
        """Conformal p-values (rows,) of scores (rows,)."""
        return _p_values(finite_vector(scores), self.scores_)

    def p_tail(self, scores: ArrayLike) -> np.ndarray:
        """p-values (rows,) that go on falling beyond the largest calibration score; p_tail <= p_value everywhere."""
        scores = finite_vector(scores)
        p = _p_values(scores, self.scores_)
        if self.tail_ is not None:
            beyond = scores > self.scores_[-1]
            p[beyond] = np.clip(self.tail_.survival(scores[beyond]), SMALLEST_P, p[beyond])
        return p

    def risk(self, scores: ArrayLike) -> np.ndarray:
        """-10 log10(p_tail), 0..100, of scores (rows,)."""
        return risk(self.p_tail(scores))

    def to_state(self) -> dict[str, Any]:
        tail = None if self.tail_ is None else self.tail_.to_state()
        return {"scores": self.scores_, "tail": tail, "tail_note": self.tail_note_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        calibration = cls()
        calibration.scores_ = np.asarray(state["scores"])
        calibration.tail_ = None if state["tail"] is None else TailBeyond.from_state(state["tail"])
        calibration.tail_note_ = state["tail_note"]
        return calibration


def _fit_tail(ordered: np.ndarray) -> tuple[TailBeyond | None, str]:
    n = len(ordered)
    n_beyond = min(max(n // 10, FEWEST_BEYOND), MOST_BEYOND)
    if n < 4 * n_beyond:
        return None, f"no tail: {n} calibration rows, a tail needs {4 * FEWEST_BEYOND}"
    threshold = float(ordered[-n_beyond - 1])
    excesses = ordered[ordered > threshold] - threshold
    if len(np.unique(excesses)) < FEWEST_BEYOND:
        return None, f"no tail: fewer than {FEWEST_BEYOND} different scores among the highest {n_beyond}"
    fit = fit_pareto(excesses)
    p_fit = goodness_of_fit(excesses, fit)
    if p_fit <= REJECT_FIT:
        return None, f"no tail: the highest {n_beyond} scores do not follow a generalised Pareto tail (p = {p_fit:.3f})"
    shape = f"shape {fit.estimate.shape:.2f}"
    return TailBeyond(threshold, len(excesses) / n, fit), f"tail of the highest {len(excesses)} scores, {shape}"
