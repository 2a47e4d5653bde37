"""Numbers in three spaces: plainly standardised, robustly compressed, and as normal scores of their ranks."""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from anomaly_cl.features.column_encoder import SPACES, Block, ColumnEncoder, rarity

LARGEST = 2.0**1022  # magnitudes end here, so that the difference of two values is finite
TINY = float(np.finfo(np.float64).tiny)  # no scale is smaller
EPS = float(np.finfo(np.float64).eps)
STANDARD_LIMIT = 1e6  # its square is still harmless in float32
N_KNOTS = 1_000
IQR_OF_NORMAL = 1.349


class NumericEncoder(ColumnEncoder):
    """One number a space, each rising with the value, and a missing flag if the fit rows had missing values.

    - standard: (x - mean) / standard deviation, within +-1e6.
    - robust: asinh((x - median) / scale) over its own standard deviation; the scale is the interquartile range, or
      the median deviation of the rows that deviate at all where half of the column is one value.
    - rank: normal scores of mid-ranks (van der Waerden 1952, with (rank - 1/2) / n), interpolated between at most
      1,000 knots; outside the fitted range the score goes on rising, as asinh of the distance.

    A column of a single value is 0 there, and `rarity` and more away from it. A missing value is the median plus the
    flag. Where the fit rows missed none, there is no flag (a wide table would double) and a missing value is put
    beyond the largest fitted value instead. The tail is the rank score in float64.
    """

    two_sided = True

    def fit(self, array: pa.Array) -> Self:
        values = _as_float64(array)
        missing = np.isnan(values)
        n_missing = int(missing.sum())
        ordered = np.sort(values[~missing]) if n_missing < len(values) else np.zeros(1)
        self.width_ = 2 if n_missing else 1
        self.flag_ = rarity(n_missing, len(values))
        finite = ordered[np.abs(ordered) < LARGEST]  # one accepted infinity must not flatten the rest
        finite = finite if len(finite) else ordered
        self.median_ = float(np.median(finite))
        self.typical_ = self.median_ if n_missing < len(values) else None
        spread, magnitude = ordered[-1] - ordered[0], np.abs(ordered[[0, -1]]).max()
        self.constant_ = bool(spread <= max(4 * EPS * magnitude, TINY))  # nothing but rounding noise
        self._fit_standard(finite)
        self._fit_robust(finite)
        self._fit_rank(ordered)
        encoded = self._encode(ordered[-1:])
        self.top_ = {space: float(encoded[space][0]) for space in SPACES}
        return self

    def transform(self, array: pa.Array) -> Block:
        values = _as_float64(array)
        missing = np.isnan(values)
        encoded = self._encode(np.where(missing, self.median_, values))
        if self.width_ == 1:
            for space, scores in encoded.items():
                scores[missing] = self.top_[space] + self.flag_
        spaces = {}
        for space, scores in encoded.items():
            outputs = np.zeros((len(values), self.width_), np.float32)
            outputs[:, 0] = scores
            outputs[missing, 1:] = self.flag_
            spaces[space] = outputs
        return Block(spaces, encoded["rank"])

    @staticmethod
    def number(array: pa.Array) -> np.ndarray:
        """The value itself."""
        values = _as_float64(array)
        values[np.isnan(values)] = np.inf
        return values

    def from_robust(self, scores: np.ndarray) -> np.ndarray:
        """Values (rows,) float64, within the largest magnitude, whose numbers in the robust space are these (rows,)."""
        scores = np.asarray(scores, np.float64)
        if self.constant_:
            beyond = np.abs(scores) - self.beyond_
            start, unit = np.where(scores < 0, [[self.knots_[0]], [self.lower_unit_]],
                                   [[self.knots_[-1]], [self.upper_unit_]])
            return np.where(beyond > 0, _moved(start, np.sign(scores) * np.maximum(beyond, 0), unit), self.median_)
        return _moved(self.median_, scores * self.spread_, self.scale_)

    def _encode(self, values: np.ndarray) -> dict[str, np.ndarray]:
        rank = self._rank(values)
        if self.constant_:
            return {space: rank.copy() for space in SPACES}
        return {"standard": self._standard(values), "robust": self._robust(values), "rank": rank}

    def _fit_standard(self, ordered: np.ndarray) -> None:
        peak = max(float(np.abs(ordered[[0, -1]]).max()), TINY)  # divided out, so that squares stay finite
        self.mean_ = peak * float(np.mean(ordered / peak))
        self.deviation_ = max(peak * float(np.std(ordered / peak)), 4 * EPS * peak, TINY)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.clip((values - self.mean_) / self.deviation_, -STANDARD_LIMIT, STANDARD_LIMIT)

    def _fit_robust(self, ordered: np.ndarray) -> None:
        lower, upper = np.quantile(ordered, [0.25, 0.75])
        scale = (upper - lower) / IQR_OF_NORMAL
        deviations = np.abs(ordered - self.median_)
        if scale < TINY and deviations.any():
            scale = np.median(deviations[deviations > 0])
        self.scale_ = max(float(scale), TINY)
        self.spread_ = float(np.std(_asinh_ratio(ordered - self.median_, self.scale_))) or 1.0

    def _robust(self, values: np.ndarray) -> np.ndarray:
        return _asinh_ratio(values - self.median_, self.scale_) / self.spread_

    def _fit_rank(self, ordered: np.ndarray) -> None:
        low, high = float(ordered[0]), float(ordered[-1])
        self.beyond_ = rarity(0, len(ordered))
        if self.constant_:
            self.knots_, self.scores_ = np.array([low, high]), np.zeros(2)
            self.lower_unit_ = self.upper_unit_ = max(abs(low), abs(high), 1.0)
            return
        self.knots_, self.scores_ = _thinned(*_normal_scores(ordered))
        # One unit outside is what one score is worth on average between the median and that end.
        average = (high - low) / float(self.scores_[-1] - self.scores_[0])
        self.lower_unit_ = max((self.median_ - low) / -float(self.scores_[0]) or average, TINY)
        self.upper_unit_ = max((high - self.median_) / float(self.scores_[-1]) or average, TINY)

    def _rank(self, values: np.ndarray) -> np.ndarray:
        knots, scores = self.knots_, self.scores_
        widths = np.maximum(np.diff(knots, append=knots[-1]), TINY)
        ends = np.append(scores[1:], scores[-1])
        inside = np.clip(values, knots[0], knots[-1])
        cell = np.searchsorted(knots, inside, side="right") - 1
        fraction = (inside - knots[cell]) / widths[cell]
        result = np.minimum(scores[cell] + fraction * (ends - scores)[cell], ends[cell])  # rounding must not overtake
        below, above = values < knots[0], values > knots[-1]
        result[below] = min(scores[0], -self.beyond_) - _asinh_ratio(knots[0] - values[below], self.lower_unit_)
        result[above] = max(scores[-1], self.beyond_) + _asinh_ratio(values[above] - knots[-1], self.upper_unit_)
        return result


def _as_float64(array: pa.Array) -> np.ndarray:
    """A new float64 array: NaN where missing, infinities at the largest magnitude."""
    return np.clip(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), -LARGEST, LARGEST)


def _asinh_ratio(difference: np.ndarray, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        ratio = difference / scale
    return np.arcsinh(np.clip(ratio, -LARGEST, LARGEST))


def _moved(start: np.ndarray | float, steps: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """The values that lie so many `_asinh_ratio` from the start."""
    end = np.arcsinh(LARGEST)
    with np.errstate(over="ignore"):
        return np.clip(start + scale * np.sinh(np.clip(steps, -end, end)), -LARGEST, LARGEST)


def _normal_scores(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values and the normal scores of their mid-ranks (count below plus half of the equal ones, over n)."""
    distinct, counts = np.unique(ordered, return_counts=True)
    return distinct, ndtri((np.cumsum(counts) - counts / 2) / len(ordered))


def _thinned(knots: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most N_KNOTS of them, about evenly spaced in score, so that the tails are kept in detail; both ends stay."""
    if len(knots) <= N_KNOTS:
        return knots, scores
    kept = np.searchsorted(scores, np.linspace(scores[0], scores[-1], N_KNOTS))
    kept = np.unique(np.minimum(kept, len(scores) - 1))
    return knots[kept], scores[kept]
