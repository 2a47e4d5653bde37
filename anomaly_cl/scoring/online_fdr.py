"""False discovery rate control over a stream: each row is decided when it comes, from earlier decisions only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector

Gamma = Callable[[np.ndarray], np.ndarray]


def lord_weights(waits: np.ndarray) -> np.ndarray:
    """Weights of waits 1, 2, ...; they sum to at most 1 (Javanmard and Montanari 2018, AoS 46, equation 31)."""
    logs = np.log(waits)
    return 0.07720838 * np.maximum(logs, np.log(2)) / (waits * np.exp(np.sqrt(logs)))


def saffron_weights(waits: np.ndarray) -> np.ndarray:
    """Weights of waits 1, 2, ..., which sum to at most 1: proportional to wait^-1.6 (Ramdas et al. 2018)."""
    return 0.4374901658 / waits**1.6


@dataclass(frozen=True)
class StreamState:
    """What a stream remembers: how far its clock went, and the clock at each alert so far."""

    clock: int = 0
    alerted_at: tuple[int, ...] = ()


@dataclass(frozen=True)
class OnlineFdr:
    """Generalised alpha-investing: wealth is spent on each row and earned back by alerts.

    The level of a row is (1 - candidate) * (wealth * g(1 + clock) + (level - wealth) * g(1 + clock since the first
    alert) + level * sum of g(1 + clock since each later alert)). The clock ticks at each row with p > candidate: rows
    that look promising cost nothing. At candidate 0 it ticks at each row; then this is LORD++ (Ramdas, Yang, Wainwright
    and Jordan 2017, arXiv:1710.00499), else SAFFRON (Ramdas, Zrnic, Wainwright and Jordan 2018, arXiv:1802.09098). See
    `lord_plus_plus` and `saffron`.

    At any moment the expected share of false alerts is at most `level` for p-values that are independent and
    super-uniform on normal rows. Conformal p-values that share a calibration are not independent, so that the level
    holds only approximately, and the better the more calibration rows; and as they stop at 1 / (n + 1), rows whose
    level is below that cannot be alerted.
    """

    level: float
    wealth: float
    candidate: float
    weights: Gamma

    def __post_init__(self) -> None:
        for name, value, low, high in (("level", self.level, 0, 1), ("wealth", self.wealth, 0, self.level)):
            if not low < value < high:
                raise UsageError(f"{name} lies between {low} and {high}", f"it is {value!r}", "choose one in between")
        if not 0 <= self.candidate < 1:
            raise UsageError("candidate is 0 or a p-value below 1", f"it is {self.candidate!r}", "choose 0 or 0.5")

    def decide(
        self, p_values: ArrayLike, state: StreamState = StreamState()
    ) -> tuple[np.ndarray, np.ndarray, StreamState]:
        """Mask (rows,) of alerts, the level (rows,) of each row, and the state to pass with the rows that come next.

        p_values (rows,) in order of time; however a stream is cut into calls, the decisions are the same. Raises
        InputError for p-values outside 0..1.
        """
        p = finite_vector(p_values)
        if ((p < 0) | (p > 1)).any():
            raise InputError("p-values lie between 0 and 1", f"they reach from {p.min()} to {p.max()}", "give p-values")
        levels = np.empty(len(p))
        clock, alerted_at = state.clock, np.array(state.alerted_at, np.int64)
        for row, value in enumerate(p):
            levels[row] = self._level(clock, alerted_at)
            clock += bool(value > self.candidate)
            if value <= levels[row]:
                alerted_at = np.append(alerted_at, clock)
        return p <= levels, levels, StreamState(clock, tuple(alerted_at.tolist()))

    def _level(self, clock: int, alerted_at: np.ndarray) -> float:
        earned = self.weights(1.0 + clock - alerted_at)
        begun = self.wealth * self.weights(np.array([1.0 + clock]))[0]
        total = begun + self.level * earned.sum() - self.wealth * earned[:1].sum()
        return float(min((1 - self.candidate) * total, self.candidate or 1.0))


def lord_plus_plus(level: float, wealth: float | None = None) -> OnlineFdr:
    """LORD++ with half of the level as its first wealth; no assumption on how many rows are strange.

    >>> lord_plus_plus(0.05).decide([1e-6, 0.5, 0.0005])[0].tolist()
    [True, False, True]
    """
    return OnlineFdr(level, level / 2 if wealth is None else wealth, 0.0, lord_weights)


def saffron(level: float, wealth: float | None = None, candidate: float = 0.5) -> OnlineFdr:
    """SAFFRON with half of the level as its first wealth; finds more than LORD++ where many rows are strange."""
    return OnlineFdr(level, level / 2 if wealth is None else wealth, candidate, saffron_weights)
