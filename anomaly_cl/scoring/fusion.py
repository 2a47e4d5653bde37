"""Heads speak in different units; turned into surprise (-log p among normal rows) they can be averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.tails import SMALLEST_SCALE, GeneralisedPareto, fit_pareto

MOST_KNOTS = 512
FEWEST_BEYOND = 10  # different values above the threshold without which no tail shape is fitted


class Surprise:
    """-log of the share of normal rows at least this far: strictly increasing, and without an upper end.

    Up to a high quantile the curve joins the mid-ranks of the held-out rows by straight lines. Above it stands a
    generalised Pareto tail with shape >= 0, so that no finite distance is beyond everything: two different distances
    keep different surprises as far as floating point can tell them apart. Where the largest values are too few or too
    often equal for a tail, the mid-ranks reach up to the maximum and an exponential follows.

    >>> surprise = Surprise().fit([1.0, 2.0, 3.0, 4.0])
    >>> surprise([1.0, 2.0, 4.0, 8.0, 16.0]).round(2).tolist()
    [0.22, 0.51, 1.61, 4.28, 9.61]
    """

    def fit(self, distances: ArrayLike) -> Self:
        """Learn from the distances (rows,) of held-out normal rows, one or more; InputError if not finite."""
        sample = np.sort(finite_vector(distances, fewest=1))
        n = len(sample)
        self.unit_ = _unit(sample)
        threshold, self.tail_ = _tail(sample, self.unit_)
        values, counts = np.unique(sample, return_counts=True)
        above = n - np.cumsum(counts)
        self.base_ = float(np.log((n + 1) / (1 + (sample > threshold).sum())))
        body = np.flatnonzero(values <= threshold)
        if len(body) > MOST_KNOTS:
            body = body[np.linspace(0, len(body) - 1, MOST_KNOTS).round().astype(int)]
        self.knots_ = values[body]
        self.surprises_ = -np.log((above + 0.5 * counts + 0.5)[body] / (n + 1))
        return self

    def __call__(self, distances: ArrayLike) -> np.ndarray:
        """Surprise (rows,), in nats, >= 0, of distances (rows,); InputError if not finite."""
        x = finite_vector(distances)
        first, threshold = self.knots_[0], self.knots_[-1]
        below = self.surprises_[0] / (1 + np.maximum(first - x, 0) / self.unit_)
        left = np.clip(np.searchsorted(self.knots_, x, side="right") - 1, 0, None)
        right = np.minimum(left + 1, len(self.knots_) - 1)
        # the clip takes back the last bit by which a line may overshoot its end
        within = np.clip(np.interp(x, self.knots_, self.surprises_), self.surprises_[left], self.surprises_[right])
        beyond = self.base_ - self.tail_.log_survival(np.maximum(x - threshold, 0))
        return np.where(x > threshold, beyond, np.where(x < first, below, within))

    def to_state(self) -> dict[str, Any]:
        return {"knots": self.knots_, "surprises": self.surprises_, "unit": self.unit_, "base": self.base_,
                "shape": self.tail_.shape, "scale": self.tail_.scale}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        surprise = cls()
        surprise.knots_, surprise.surprises_ = np.asarray(state["knots"]), np.asarray(state["surprises"])
        surprise.unit_, surprise.base_ = float(state["unit"]), float(state["base"])
        surprise.tail_ = GeneralisedPareto(float(state["shape"]), float(state["scale"]))
        return surprise


def _unit(sample: np.ndarray) -> float:
    """A typical step of a sorted sample: the mean excess over its median, or its size where all values are equal."""
    middle = sample[(len(sample) - 1) // 2]
    excesses = sample[sample > middle] - middle
    step = float(excesses.mean()) if len(excesses) else abs(float(sample[-1]))
    return max(step, SMALLEST_SCALE) if step > 0 else 1.0


def _tail(sample: np.ndarray, unit: float) -> tuple[float, GeneralisedPareto]:
    """A threshold and what follows above it, for a sorted sample."""
    n = len(sample)
    n_beyond = max(n // 10, FEWEST_BEYOND)
    if n > 2 * n_beyond:
        threshold = float(sample[-n_beyond - 1])
        excesses = sample[sample > threshold] - threshold
        if len(np.unique(excesses)) >= FEWEST_BEYOND:
            tail = fit_pareto(excesses)
            # a negative shape would have an endpoint; the likeliest tail without one is then the exponential
            return threshold, tail if tail.shape > 0 else GeneralisedPareto(0.0, float(excesses.mean()))
    return float(sample[-1]), GeneralisedPareto(0.0, unit)


class FusedSurprise:
    """The weighted power mean over heads of their surprises: at power 1 the mean, at 2 the root mean square.

    The higher the power, the more a head counts that is very surprised where others are not. On 63 public sets the root
    mean square ranked somewhat better than the mean, and powers below 1 worse.
    """

    def __init__(self, power: float = 1.0):
        self.power = power

    def fit(self, distances: Mapping[str, ArrayLike], weights: Mapping[str, float] | None = None) -> Self:
        """Learn each head's curve from its distances {head: (rows,)} of normal rows that it did not learn from.

        `weights` {head: above 0}, 1 where not given, are relative.
        """
        if not self.power > 0:
            raise UsageError("the power of a mean is above 0", f"it is {self.power}", "use for example 2")
        if not distances:
            raise InputError("fusion needs at least one head", "none is given", "give {name: distances}")
        self.heads_ = {name: Surprise().fit(distances[name]) for name in sorted(distances)}
        self.weights_ = {name: float((weights or {}).get(name, 1.0)) for name in self.heads_}
        if not all(0 < weight < np.inf for weight in self.weights_.values()):
            raise UsageError("weights of heads are above 0 and finite", f"they are {self.weights_}", "correct them")
        return self

    def per_head(self, distances: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """Surprise {head: (rows,)}; raises InputError unless the heads are those of fit."""
        if set(distances) != set(self.heads_):
            raise InputError(f"the fused heads are {sorted(self.heads_)}", f"given are {sorted(distances)}",
                             "give each head's distances")
        _same_length(distances)
        return {name: surprise(distances[name]) for name, surprise in self.heads_.items()}

    def __call__(self, distances: Mapping[str, ArrayLike]) -> np.ndarray:
        """Fused surprise (rows,) float64, higher = stranger."""
        return self.mean(self.per_head(distances))

    def mean(self, surprises: Mapping[str, np.ndarray]) -> np.ndarray:
        """Weighted power mean (rows,) of the surprise of each head {head: (rows,)}."""
        # added head by head in the order of names: np.mean may add in another order for a single row
        weighted = (self.weights_[name] * surprises[name] ** self.power for name in self.heads_)
        return (sum(weighted, start=np.zeros(())) / sum(self.weights_.values())) ** (1 / self.power)

    def to_state(self) -> dict[str, Any]:
        heads = {name: surprise.to_state() for name, surprise in self.heads_.items()}
        return {"power": self.power, "heads": heads, "weights": self.weights_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        fused = cls(state["power"])
        fused.heads_ = {name: Surprise.from_state(state["heads"][name]) for name in sorted(state["heads"])}
        fused.weights_ = {name: float(state["weights"][name]) for name in fused.heads_}
        return fused


def _same_length(distances: Mapping[str, ArrayLike]) -> None:
    lengths = {name: len(np.atleast_1d(values)) for name, values in distances.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("all heads measure the same rows", f"they have {lengths} rows", "give equally many")
