"""A few sensors that repeat themselves, and strange stretches in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anomaly_cl.pretraining.settings import TrainingSettings

PERIOD = 12
WINDOW = 24  # what the period is found to be: two repeats
QUICK = TrainingSettings(max_steps=12, steps_per_epoch=6, encoder_width=16)


def waves(n, seed=0, channels=1, noise=0.1, first=0):
    """Values (n, channels): waves of one period, each later than the one before, with noise."""
    rng, steps = np.random.default_rng(seed), first + np.arange(n)[:, None]
    return np.sin(2 * np.pi * (steps / PERIOD - np.arange(channels) / 5)) + noise * rng.normal(size=(n, channels))


def frame(values, start="2026-03-01", pace="1min", **more):
    times = pd.Timestamp(start) + pd.to_timedelta(np.arange(len(values)) * pd.Timedelta(pace))
    return pd.DataFrame({"at": times} | {f"c{i}": column for i, column in enumerate(values.T)} | more)


def machines(n=300, seed=0, names=("a", "b")):
    """Two machines, the second ten times as large."""
    return pd.concat([frame(waves(n, seed + i) * 10**i, machine=name) for i, name in enumerate(names)],
                     ignore_index=True)


def spike(x):
    x[len(x) // 2] += 4


def flat(x):
    x[len(x) // 2:len(x) // 2 + 2 * PERIOD] = 0


def faster(x):
    part = slice(len(x) // 2, len(x) // 2 + 3 * PERIOD)
    x[part] = np.sin(4 * np.pi * np.arange(3 * PERIOD) / PERIOD)


def louder(x):
    x[len(x) // 2:len(x) // 2 + 2 * PERIOD] *= 2.5


def noisy(x):
    x[len(x) // 2:len(x) // 2 + PERIOD] += np.random.default_rng(9).normal(size=PERIOD)


def shifted(x):
    x[len(x) // 2:len(x) // 2 + PERIOD] += 3


def backwards(x):
    part = slice(len(x) // 2, len(x) // 2 + 2 * PERIOD)
    x[part] = x[part][::-1] * np.linspace(0.3, 1.5, 2 * PERIOD)


KINDS = (spike, flat, faster, louder, noisy, shifted, backwards)
