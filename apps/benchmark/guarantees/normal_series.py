"""Simulated normal series: what they depend on of their past is known, and so is what changes, where something does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.signal import lfilter

COEFFICIENTS = (0.0, 0.5, 0.8, 0.9, 0.95)
PERIODS = (20, 120)  # shortest and longest routine, in steps
NOISE = 0.3  # beside a routine of amplitude 1
MOVES = (0.5, 1.0, 2.0)  # of the level of new steps, in standard deviations of the normal ones
CHANNELS = 3


@dataclass(frozen=True)
class NormalKind:
    """A name, `draw(rng, n_steps)`, which makes a stationary series (n_steps, channels), and how far new steps move.

    `move` is in standard deviations of the normal steps; with it, nothing is promised.
    """

    name: str
    draw: Callable[[np.random.Generator, int], np.ndarray]
    move: float = 0.0

    def series(self, rng: np.random.Generator, normal_steps: int, new_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Normal steps (normal_steps, channels) and those that follow (new_steps, channels)."""
        normal, new = np.split(self.draw(rng, normal_steps + new_steps), [normal_steps])
        return normal, new + self.move * normal.std(axis=0)


def autoregressive(rng: np.random.Generator, n_steps: int, coefficient: float) -> np.ndarray:
    """A stationary autoregression (n_steps,) of first order and variance 1."""
    shocks = rng.standard_normal(n_steps) * np.sqrt(1 - coefficient**2)
    shocks[0] = rng.standard_normal()
    return np.asarray(lfilter([1], [1, -coefficient], shocks))


def routine(rng: np.random.Generator, n_steps: int) -> np.ndarray:
    """A wave (n_steps, 1) of any period and phase, with noise."""
    turns = np.arange(n_steps) / rng.integers(PERIODS[0], PERIODS[1] + 1) + rng.random()
    return (np.sin(2 * np.pi * turns) + NOISE * rng.standard_normal(n_steps))[:, None]


def several_channels(rng: np.random.Generator, n_steps: int) -> np.ndarray:
    """Autoregressions (n_steps, CHANNELS), each of another coefficient, level and unit."""
    levels, units = rng.normal(0, 100, CHANNELS), rng.lognormal(0, 2, CHANNELS)
    columns = [autoregressive(rng, n_steps, coefficient) for coefficient in rng.choice(COEFFICIENTS, CHANNELS)]
    return levels + units * np.stack(columns, axis=1)


def kinds() -> list[NormalKind]:
    """All kinds: autoregressions by their coefficient, a routine, several channels; and routines that move."""
    made = [NormalKind(f"AR(1), {coefficient:g}", partial(_one_channel, coefficient=coefficient))
            for coefficient in COEFFICIENTS]
    moved = [NormalKind(f"wave, {move:g} sd higher when new", routine, move) for move in MOVES]
    return [*made, NormalKind("wave with noise", routine),
            NormalKind(f"{CHANNELS} channels of AR(1)", several_channels), *moved]


def _one_channel(rng: np.random.Generator, n_steps: int, coefficient: float) -> np.ndarray:
    return autoregressive(rng, n_steps, coefficient)[:, None]
