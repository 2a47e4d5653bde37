"""Which channel made a series strange, against the channels that simulated anomalies are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import InputError
from apps.benchmark.explanations.measures import hit_first, hit_share, ranked
from apps.benchmark.guarantees.runs import measure_undone
from apps.benchmark.guarantees.span_kinds import ENTITY, KIND, LABEL, NOT_CHANNELS, TIME, Plant
from apps.benchmark.models import source_digest

FILE = "channels.csv"
CHANNEL = "anomaly_channel"
OURS = "ours"


def alerted_runs(watched: pd.DataFrame, alert: np.ndarray) -> list[np.ndarray]:
    """The alerted rows of each anomaly that has some: a run of steps of one machine, kind and channel."""
    found = []
    for _, part in watched.groupby(ENTITY, sort=True):
        bad = part[LABEL].eq(1)
        for _, run in part[bad].groupby((~bad).cumsum()[bad]):
            for _, same in run.groupby([KIND, CHANNEL]):
                rows = same.index[alert[same.index]].to_numpy()
                found += [rows] if len(rows) else []
    return found


def contributions(reasons: Sequence[Any], channels: Sequence[str]) -> np.ndarray:
    """What rows' reasons say of each channel (rows, channels), 0 where nothing."""
    found, place = np.zeros((len(reasons), len(channels))), {name: i for i, name in enumerate(channels)}
    for row, some in enumerate(reasons):
        for reason in some:
            found[row, place[reason["column"]]] = reason["contribution"]
    return found


def distances(normal: pd.DataFrame, watched: pd.DataFrame, channels: list[str]) -> np.ndarray:
    """|z| (rows, channels) of each reading, by the mean and standard deviation of its machine's normal ones."""
    by_machine = normal.groupby(ENTITY)[channels]
    centre, spread = (table.loc[watched[ENTITY]].to_numpy() for table in (by_machine.mean(), by_machine.std()))
    return np.asarray(np.abs(watched[channels].to_numpy() - centre) / spread)


def measure_plant(plant: Plant, seed: int) -> list[dict[str, Any]]:
    """A line for each method and anomaly with an alert: the ranks are those of the sum over its alerted steps.

    Raises InputError if no anomaly has alerts.
    """
    normal, watched = plant.tables(seed)
    channels = [name for name in normal.column_names if name not in NOT_CHANNELS]
    detector = SeriesDetector(ENTITY, TIME, channels).fit(normal)
    scored, frame = detector.score(watched), watched.to_pandas()
    alert = scored["alert"].to_numpy(bool)
    runs = alerted_runs(frame, alert)
    if not runs:
        raise InputError("some anomalies have alerted steps", f"seed {seed} has none", "watch more days")
    every = np.concatenate(runs)
    said = contributions(list(scored["reasons"].iloc[every]), channels)
    z, rng = distances(normal.to_pandas(), frame, channels)[every], np.random.default_rng(seed)
    by_method = {OURS: said, "|z|": z, "random": rng.random(z.shape)}
    ends = np.cumsum([len(rows) for rows in runs])[:-1]
    first = frame.loc[[int(rows[0]) for rows in runs]]
    mask = first[CHANNEL].to_numpy()[:, None] == np.array(channels)
    about = {"seed": seed, "code": source_digest("anomaly_cl"), "date": date.today().isoformat()}
    lines = []
    for name, values in by_method.items():
        order = ranked(np.stack([part.sum(axis=0) for part in np.split(values, ends)]))
        lines += [about | {"model": name, "kind": kind, "steps": len(rows), "hit1": one, "hit3": share}
                  for kind, rows, one, share in zip(first[KIND], runs, hit_first(order, mask),
                                                    hit_share(order, mask), strict=True)]
    return lines


def measure(plant: Plant, seeds: Sequence[int], out: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """The lines of each seed, kept in `FILE`; what is in it is not measured again."""

    def lines(key: tuple[Any, ...]) -> list[dict[str, Any]]:
        found = pd.DataFrame(measure_plant(plant, key[0]))
        means = found.groupby("model", sort=False)["hit1"].mean()
        say(f"seed {key[0]}: {len(found) // len(means)} anomalies with alerts, hit@1 "
            + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
        return [dict(line) for line in found.to_dict("records")]

    return measure_undone(out / FILE, ["seed"], [(seed,) for seed in seeds], lines)
