"""Small series with a strange stretch, and an untrained detector of them."""

import numpy as np
import pandas as pd

from anomaly_cl import SeriesDetector

STEPS = 1_200
STRANGE = slice(900, 906)


def readings(entities=("a", "b"), start="2026-01-01", unit="min", tz=None, seed=0):
    """Two channels of each entity, a step each unit; of the last entity the channel `heat` is off in STRANGE."""
    rng, frames = np.random.default_rng(seed), []
    for name in entities:
        at = pd.date_range(start, periods=STEPS, freq=unit, tz=tz)
        wave = np.sin(np.arange(STEPS) * 2 * np.pi / 12)
        frames.append(pd.DataFrame({"at": at, "who": name, "heat": 20 + wave + 0.1 * rng.normal(size=STEPS),
                                    "flow": 5 - wave + 0.1 * rng.normal(size=STEPS)}))
    frames[-1].loc[STRANGE, "heat"] += 5.0
    return pd.concat(frames, ignore_index=True)


def untrained(rows, entity="who"):
    """A detector of the first half of the steps."""
    half = rows[rows.groupby("who").cumcount() < STEPS // 2]
    return SeriesDetector(entity, "at", ["heat", "flow"], period=12, members=0).fit(half)
