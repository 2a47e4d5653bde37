"""From a score to the probability of fraud, learned from verdicts: calibrated, and never equal for two scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector

SMALLEST_BIN, GROWTH = 16, 1.1  # rows of the bin of highest scores, and of each further one as a multiple
SLOPE = 1e-3  # log odds that the curve rises by beyond its knots, by the time it has gone twice their width


class ProbabilityCurve:
    """Log odds of a score: straight lines between the means of the blocks of an isotonic regression.

    Rows are first put into bins by rank, small ones where scores are high; each bin gets one more row of the overall
    probability, so that no probability is 0 or 1. Isotonic regression joins bins to blocks of strictly rising
    probability (Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability
    estimates"). The lines between blocks, and a slight slope beyond the last ones, keep the order of the scores where
    steps would tie them.

    >>> curve = ProbabilityCurve().fit(np.arange(1000), np.arange(1000) >= 900)
    >>> (1 / (1 + np.exp(-curve([0, 500, 990, 5000])))).round(2).tolist()
    [0.0, 0.0, 0.96, 0.96]
    """

    def fit(self, scores: ArrayLike, is_fraud: ArrayLike) -> Self:
        """Learn from scores (rows,) and whether each was a fraud, or how probably (rows,), 0..1; one row or more.

        Raises InputError if they are not finite, or all is fraud or none.
        """
        scores, target = finite_vector(scores, fewest=1), finite_vector(is_fraud)
        if scores.shape != target.shape:
            raise InputError("each score has a verdict", f"{len(scores)} have {len(target)}", "give equally many")
        if target.min() < 0 or target.max() > 1:
            raise InputError("probabilities of fraud lie between 0 and 1",
                             f"they reach from {target.min()} to {target.max()}", "give 0 and 1, or between")
        overall = float(target.mean())
        if not 0 < overall < 1:
            raise InputError("a probability is learned from frauds and legitimate records",
                             f"the share of frauds is {overall:g}", "give some of both")
        bins = _bins(scores)
        rows = np.bincount(bins)
        weights = rows + 1.0
        means = np.bincount(bins, scores) / rows
        rates = (np.bincount(bins, target) + overall) / weights
        fitted = IsotonicRegression().fit_transform(means, rates, sample_weight=weights)
        blocks = np.cumsum(np.r_[0, np.diff(fitted) > 0])
        knots = np.bincount(blocks, means * weights) / np.bincount(blocks, weights)
        log_odds = logit(np.bincount(blocks, rates * weights) / np.bincount(blocks, weights))
        apart = np.r_[True, (np.diff(knots) > 0) & (np.diff(log_odds) > 0)]  # as far as floating point can tell
        self.knots_, self.log_odds_ = knots[apart], log_odds[apart]
        return self

    def __call__(self, scores: ArrayLike) -> np.ndarray:
        """Log odds (rows,) of fraud, strictly rising with the scores (rows,) as far as floating point can tell."""
        x = finite_vector(scores)
        first, last = self.knots_[0], self.knots_[-1]
        width = last - first or max(abs(last), 1.0)
        beyond = np.log1p(np.maximum(x - last, 0) / width) - np.log1p(np.maximum(first - x, 0) / width)
        return np.interp(x, self.knots_, self.log_odds_) + SLOPE * beyond

    def to_state(self) -> dict[str, Any]:
        return {"knots": self.knots_, "log_odds": self.log_odds_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        curve = cls()
        curve.knots_, curve.log_odds_ = np.asarray(state["knots"]), np.asarray(state["log_odds"])
        return curve


def _bins(scores: np.ndarray) -> np.ndarray:
    """Bin (rows,) of each score: by rank, growing downwards from the highest; equal scores share a bin."""
    ordered = np.sort(scores)
    size, start, starts = float(SMALLEST_BIN), len(scores), []
    while start > 0:
        start -= round(size)
        starts.append(max(start, 0))
        size *= GROWTH
    bins = np.searchsorted(np.unique(ordered[starts]), scores, side="right") - 1
    return np.unique(bins, return_inverse=True)[1]
