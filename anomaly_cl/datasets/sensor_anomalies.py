"""What can go wrong with a sensor or its machine: named kinds, each one channel for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from anomaly_cl.datasets.population import Floats

CELL = 512  # steps; an anomaly keeps to one cell of one machine, so that anomalies never touch

# Where an anomaly is: cell of the timeline, first step within it, number of steps.
ANOMALY = np.dtype([("cell", np.int64), ("machine", np.int32), ("channel", np.int32), ("kind", np.int8),
                    ("first", np.int64), ("length", np.int64)])


@dataclass(frozen=True)
class Span:
    """What one channel would have shown (n,), and what a kind needs to alter it, all in the channel's unit.

    `before` is the reading just before; `noise` the standard deviation around the routine; `load` the part of `clean`
    that follows the machine's load; `routine(steps)` the part that depends on the clock only, that many steps later.
    """

    clean: Floats
    before: float
    noise: float
    load: Floats
    load_spread: float
    routine: Callable[[int], Floats]
    steps_a_day: float


def _spike(span: Span, rng: np.random.Generator) -> Floats:
    """Single readings far off."""
    return span.clean + _sign(rng) * rng.uniform(6, 12, len(span.clean)) * span.noise


def _level_shift(span: Span, rng: np.random.Generator) -> Floats:
    """All readings off by a constant: a new operating point, a bad calibration."""
    return span.clean + _sign(rng) * rng.uniform(3, 6) * span.noise


def _drift(span: Span, rng: np.random.Generator) -> Floats:
    """An error that grows: wear, fouling."""
    n = len(span.clean)
    return span.clean + _sign(rng) * rng.uniform(5, 9) * span.noise * np.arange(1, n + 1) / n


def _frozen(span: Span, rng: np.random.Generator) -> Floats:
    """The last good reading is repeated."""
    return np.full(len(span.clean), span.before)


def _noise_burst(span: Span, rng: np.random.Generator) -> Floats:
    """A loose contact: readings scatter."""
    return span.clean + rng.uniform(2, 4) * span.noise * rng.standard_normal(len(span.clean))


def _decoupling(span: Span, rng: np.random.Generator) -> Floats:
    """The channel no longer follows the load that moves the others; alone it looks as always."""
    wander = lfilter([np.sqrt(1 - .98**2)], [1, -.98], rng.standard_normal(len(span.clean) + 200))[200:]
    return span.clean - span.load + span.load.mean() + span.load_spread * wander


def _phase_shift(span: Span, rng: np.random.Generator) -> Floats:
    """The daily routine comes hours too early or too late."""
    hours = _sign(rng) * rng.uniform(3, 9)
    return span.clean + span.routine(round(hours / 24 * span.steps_a_day)) - span.routine(0)


# Steps an anomaly lasts, and what it does.
KINDS: dict[str, tuple[tuple[int, int], Callable[[Span, np.random.Generator], Floats]]] = {
    "spike": ((1, 3), _spike),
    "level_shift": ((40, 200), _level_shift),
    "drift": ((100, 300), _drift),
    "frozen": ((20, 120), _frozen),
    "noise_burst": ((20, 80), _noise_burst),
    "decoupling": ((80, 240), _decoupling),
    "phase_shift": ((100, 300), _phase_shift),
}
SENSOR_ANOMALIES = tuple(KINDS)


def plan_anomalies(steps: int, machines: int, channels: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Anomalies ordered by cell that together cover about `share` of all steps; the kinds take turns."""
    cells, size = max(steps // CELL, 1), min(CELL, steps)
    bounds = np.array([length for length, _ in KINDS.values()])
    most = cells * machines
    kind = rng.permuted(np.tile(np.arange(len(KINDS)), (most // len(KINDS) + 1, 1)), axis=1).ravel()[:most]
    length = np.minimum(rng.integers(bounds[kind, 0], bounds[kind, 1] + 1), max(size // 2, 1))
    covered = np.cumsum(length)
    n = int(np.searchsorted(covered - length / 2, share * steps * machines))
    plan = np.empty(n, ANOMALY)
    place = np.sort(rng.permutation(most)[:n])
    plan["cell"], plan["machine"] = place // machines, place % machines
    plan["kind"], plan["length"] = kind[:n], length[:n]
    plan["channel"] = rng.integers(0, channels, n)
    plan["first"] = rng.integers(min(24, size // 4), size - plan["length"] + 1)  # some normal steps between two
    return plan


def _sign(rng: np.random.Generator) -> int:
    return int(rng.integers(0, 2)) * 2 - 1
