"""Is an entity compromised now? Its known verdicts, read by a two-state hidden Markov model of episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit, logit

from anomaly_cl.errors import InputError

ROWS_AT_ONCE = 16_384  # whose states stay in the cache of a processor
MOST_FRAUDULENT, MOST_CLEAN = 2_000, 500  # entities, with and without frauds, that the likelihood is summed over
PHASES = (2, 4, 8, 16, 24, 32, 48)
TRIES = 120  # values of the likelihood that each search may ask for
SIMPLEX = np.vstack([np.zeros(4), np.eye(4)])  # that a search starts from: a unit of log odds each
SUREST = 0.99  # share of frauds in an episode, since people err
FARTHEST = 15.0  # log odds that no rate passes


@dataclass(frozen=True)
class Compromise:
    """Episodes in which an entity's records are frauds, one step of time after the other.

    An entity that is well becomes compromised with probability `start_rate` a step. An episode passes through `phases`
    phases and leaves each with probability `advance` a step: its length has a negative binomial distribution of mean
    phases / advance, from geometric (one phase, the plain hidden Markov model) to constant (advance 1). A record is a
    fraud with probability `background_rate`, and in an episode for that reason or, with probability `fraud_rate`,
    because of it. Rabiner (1989), section IV.D, on durations; Cox and Miller (1965) on their phases.
    """

    start_rate: float
    advance: float
    phases: int
    fraud_rate: float
    background_rate: float

    @property
    def mean_steps(self) -> float:
        """Steps that an episode lasts in the mean."""
        return self.phases / self.advance

    def probability(self, frauds: ArrayLike, legitimate: ArrayLike) -> np.ndarray:
        """Probability (rows,) of being compromised now, by counts (steps, rows) of verdicts, the newest step first.

        Steps without verdicts, such as those of the delay, say nothing, and the state moves on through them.
        """
        return self._by_parts(frauds, legitimate)[0]

    def log_likelihood(self, frauds: ArrayLike, legitimate: ArrayLike) -> np.ndarray:
        """log probability (rows,) of the verdicts, given how many there were, by counts (steps, rows)."""
        return self._by_parts(frauds, legitimate)[1]

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        rates = {name: float(state[name]) for name in ("start_rate", "advance", "fraud_rate", "background_rate")}
        return cls(phases=int(state["phases"]), **rates)

    def _by_parts(self, frauds: ArrayLike, legitimate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        frauds, legitimate = _counts(frauds, legitimate)
        compromised, logs = np.empty(frauds.shape[1]), np.empty(frauds.shape[1])
        for start in range(0, frauds.shape[1], ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            compromised[part], logs[part] = self._forward(frauds[:, part], legitimate[:, part])
        return compromised, logs

    def _forward(self, frauds: np.ndarray, legitimate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ill = 1 - (1 - self.background_rate) * (1 - self.fraud_rate)
        odds = self.start_rate * self.mean_steps  # of the stationary distribution
        state = np.full((self.phases + 1, frauds.shape[1]), odds / (1 + odds) / self.phases)
        state[0] = 1 / (1 + odds)
        log_likelihood = np.zeros(frauds.shape[1])
        for fraud, good in zip(frauds[::-1], legitimate[::-1], strict=True):
            self._step(state)
            if_well = fraud * np.log(self.background_rate) + good * np.log1p(-self.background_rate)
            if_ill = fraud * np.log(ill) + good * np.log1p(-ill)
            larger = np.maximum(if_well, if_ill)  # thousands of verdicts in a step would underflow
            state[0] *= np.exp(if_well - larger)
            state[1:] *= np.exp(if_ill - larger)
            total = sum(state, start=np.zeros(()))  # phase by phase: np.sum may add in another order for one row
            state /= total
            log_likelihood += np.log(total) + larger
        self._step(state)  # from the newest step, which has passed, into the one that the row is in
        return sum(state[1:], start=np.zeros(())), log_likelihood

    def _step(self, state: np.ndarray) -> None:
        """Move probabilities (1 + phases, rows) on by a step, in place."""
        moved = self.advance * state[1:]
        started = self.start_rate * state[0]
        state[1:] -= moved
        state[2:] += moved[:-1]
        state[1] += started
        state[0] += moved[-1] - started


def fit_compromise(frauds: ArrayLike, legitimate: ArrayLike) -> Compromise:
    """The likeliest model of entities, by counts (steps, entities) of their verdicts, the newest step first.

    For each number of phases, as long as more of them raise the likelihood, rates by Nelder and Mead's search. Of many
    entities an even sample is read. Raises InputError if none has a fraud.
    """
    frauds, legitimate = _counts(frauds, legitimate)
    with_fraud = frauds.any(axis=0)
    if not with_fraud.any():
        raise InputError("what a compromised entity looks like is learned from frauds", "no verdict says fraud",
                         "fit without verdicts, or wait for some")
    fraudulent, clean = np.flatnonzero(with_fraud), np.flatnonzero(~with_fraud & legitimate.any(axis=0))
    drawn = [_evenly(fraudulent, MOST_FRAUDULENT), _evenly(clean, MOST_CLEAN)]
    kept = np.concatenate(drawn)
    weights = np.concatenate([np.full(len(some), len(of) / max(len(some), 1))
                              for some, of in zip(drawn, (fraudulent, clean), strict=True)])
    frauds, legitimate = frauds[:, kept], legitimate[:, kept]

    def loss(point: np.ndarray, phases: int) -> float:
        return -float(weights @ _model(point, phases).log_likelihood(frauds, legitimate))

    share = min(max(frauds.sum() / (frauds.sum() + legitimate.sum()), 1e-6), 0.5)
    point = np.array([logit(share / 10), logit(0.1), 0.5, logit(share / 2)])
    best = _search(loss, point, 1)
    for phases in [some for some in PHASES if some <= len(frauds)]:
        found = _search(loss, best.x + np.array([0, np.log(phases / best.phases), 0, 0]), phases)
        if found.fun > best.fun:
            break
        best = found
    return _model(best.x, best.phases)


class _Found(NamedTuple):
    x: np.ndarray
    fun: float
    phases: int


def _search(loss: Callable[[np.ndarray, int], float], point: np.ndarray, phases: int) -> _Found:
    options = {"maxfev": TRIES, "xatol": 0.01, "fatol": 0.1, "initial_simplex": point + SIMPLEX}
    found = minimize(loss, point, (phases,), method="Nelder-Mead", options=options)
    return _Found(found.x, float(found.fun), phases)


def _model(point: np.ndarray, phases: int) -> Compromise:
    start, advance, fraud, background = expit(np.clip(point, -FARTHEST, FARTHEST)).tolist()
    return Compromise(start, advance, phases, min(fraud, SUREST), background)


def _evenly(places: np.ndarray, most: int) -> np.ndarray:
    n_kept = min(len(places), most)
    return places[np.arange(n_kept) * len(places) // max(n_kept, 1)]


def _counts(frauds: ArrayLike, legitimate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    frauds, legitimate = np.asarray(frauds), np.asarray(legitimate)
    if frauds.ndim != 2 or frauds.shape != legitimate.shape or not len(frauds):
        raise InputError("frauds and legitimate records are counted by step and row (steps, rows)",
                         f"the shapes are {frauds.shape} and {legitimate.shape}", "give two equal ones")
    if frauds.dtype.kind not in "iu" or legitimate.dtype.kind not in "iu" or (
            frauds.size and min(frauds.min(), legitimate.min()) < 0):
        raise InputError("counts are whole numbers of 0 or more",
                         f"found {frauds.dtype} and {legitimate.dtype}", "give counts")
    return frauds, legitimate
