"""How likely is what lies far beyond the data: the average over families of tails that the data cannot tell apart.

A generalised Pareto tail alone, fitted to the highest of some thousand scores, is wrong far out by its bias: Gaussian
scores look bounded to it, lognormal ones like a power law. So it has neighbours. All tails here are of one form,

    P(excess > z) = exp(-((1 + rate z)^power - 1) / (power scale)),

with the power 0 (in the limit; rate > 0: generalised Pareto of positive shape, a power law; rate < 0: of negative
shape, bounded), 1/2 (stretched exponential, about lognormal), 1 (exponential) and 2 (Gaussian). Such generalised
Weibull tails are the limits of quantiles far beyond the sample (de Valk 2016, Extremes 19). They are weighed by Bayes'
rule: the shape at the threshold, (1 - power) scale, has a half-normal prior, log scale a flat one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

PRIOR_SHAPE = 0.5
LEAST_SHARE_OF_MEAN = 0.075
MIDDLE = 0.45  # the posterior median itself is above the truth in a little more than half of all samples
SMALLEST_WEIGHT = 1e-6
_QUANTILES = (np.arange(5) + 0.5) / 5


@dataclass(frozen=True)
class Family:
    """Tails of one power and sign of the rate. `rates` are the candidates, in units of 1 / the largest excess."""

    name: str
    prior: float
    power: float
    rates: np.ndarray

    @property
    def bounded(self) -> bool:
        return bool(self.rates[0] < 0)


_RATES = np.geomspace(1e-3, 1e8, 200)
FAMILIES = (
    Family("power law", 0.26, 0.0, _RATES),
    Family("stretched exponential", 0.15, 0.5, _RATES),
    Family("exponential", 0.2, 1.0, np.ones(1)),  # any rate gives the same tail
    Family("Gaussian", 0.2, 2.0, _RATES),
    Family("bounded", 0.19, 0.0, np.geomspace(1e-6, 0.999, 120) - 1),
)


@dataclass(frozen=True)
class Candidates:
    """Tails of a family with their posterior weights (n,): rates per largest excess, scales given each rate."""

    family: Family
    weights: np.ndarray
    rates: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class AveragedTail:
    """The posterior over tails from `n_excesses` excesses, the largest of which is `largest`."""

    n_excesses: int
    largest: float
    candidates: tuple[Candidates, ...]

    @property
    def shares(self) -> dict[str, float]:
        """The posterior weight of each family by its name; together 1."""
        return {one.family.name: float(one.weights.sum()) for one in self.candidates}

    def survival(self, excesses: np.ndarray) -> np.ndarray:
        """P(excess > z) for z (n,) >= 0: the posterior mean over the unbounded families, and over the bounded one a
        quantile near the posterior median, or `LEAST_SHARE_OF_MEAN` of the mean where that is more.

        The mean over the bounded family only says how badly an endpoint is known. With the quantile the claim is
        right in the middle; the share of the mean keeps it from falling to 0 at an endpoint that luck of the sample
        gave: it reaches 0 only beyond every endpoint that the data support.
        """
        z = np.asarray(excesses, np.float64) / self.largest
        total = np.zeros(len(z))
        for one in self.candidates:
            hazards = _hazards(z, one.family.power, one.rates) / one.scales[:, None]
            mean = one.weights @ np.exp(-self.n_excesses * np.log1p(hazards / self.n_excesses))
            if one.family.bounded:
                mean = np.maximum(self._median(one, hazards), LEAST_SHARE_OF_MEAN * mean)
            total += mean
        return total

    def _median(self, one: Candidates, hazards: np.ndarray) -> np.ndarray:
        """Posterior median (n,) of the survival, times the family's weight."""
        spread = gammaincinv(self.n_excesses, _QUANTILES) / self.n_excesses  # of 1 / scale, a gamma given the rate
        spread_out = (hazards[:, None] * spread[:, None]).reshape(-1, hazards.shape[1])
        weights = np.repeat(one.weights, len(spread))
        order = np.argsort(spread_out, axis=0)[::-1]
        middle = np.argmax(np.cumsum(weights[order], axis=0) >= MIDDLE * weights.sum(), axis=0)
        columns = np.arange(len(middle))
        return one.weights.sum() * np.exp(-spread_out[order[middle, columns], columns])


def average_tails(excesses: np.ndarray, families: tuple[Family, ...] = FAMILIES) -> AveragedTail:
    """The posterior over the families' tails from excesses (n,) > 0."""
    largest = float(excesses.max())
    z = np.sort(excesses) / largest
    found = [(family, *_log_posterior(z, family)) for family in families]
    top = max(float(logs.max()) for _, logs, _ in found)
    total = sum(float(np.exp(logs - top).sum()) for _, logs, _ in found)
    candidates = []
    for family, logs, scales in found:
        weights = np.exp(logs - top) / total
        kept = weights > SMALLEST_WEIGHT
        if kept.any():
            candidates.append(Candidates(family, weights[kept], family.rates[kept], scales[kept]))
    kept_weight = sum(one.weights.sum() for one in candidates)
    return AveragedTail(len(z), largest, tuple(
        Candidates(one.family, one.weights / kept_weight, one.rates, one.scales) for one in candidates))


def _log_posterior(z: np.ndarray, family: Family) -> tuple[np.ndarray, np.ndarray]:
    """Log posterior weights (rates,), up to one constant for all families, and the scales (rates,).

    Given the rate, (1 + rate z)^power - 1 over the power is exponential with mean `scale`, whose inverse has a gamma
    posterior: the likelihood with the scale integrated out is that at the scale's estimate, up to the constant.
    """
    power, rates, n = family.power, family.rates, len(z)
    scales = _hazards(z, power, rates).mean(axis=1)
    steepness = (power - 1) * np.log1p(rates[:, None] * z).sum(axis=1)
    logs = n * np.log(rates / scales) + steepness + np.log(family.prior)
    if len(rates) == 1:
        return logs, scales
    shapes = (1 - power) * scales
    prior = np.log(2 / np.sqrt(2 * np.pi) / PRIOR_SHAPE) - (shapes / PRIOR_SHAPE) ** 2 / 2
    return logs + prior + np.log(np.abs(shapes / rates) * np.gradient(rates)), scales


def _hazards(z: np.ndarray, power: float, rates: np.ndarray) -> np.ndarray:
    """((1 + rate z)^power - 1) / power (rates, n), its limit at power 0; infinite (signed) from an endpoint on."""
    grown = 1 + rates[:, None] * z
    inside = grown > 0
    logs = np.log1p(np.where(inside, rates[:, None] * z, 0))
    hazards = logs if power == 0 else np.expm1(power * logs) / power
    return np.where(inside, hazards, -np.inf)
