"""Spans of alerts against simulated anomalies of machines: which kinds are found, and how many spans are false."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.datasets.sensors import sensors_table
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.scoring.spans import Span, span_quality
from apps.benchmark.guarantees.runs import measure_undone

FILE = "series-spans.csv"
TIME, ENTITY, LABEL, KIND = "measured_at", "machine", "is_anomaly", "anomaly_kind"
NOT_CHANNELS = (TIME, ENTITY, LABEL, KIND, "anomaly_channel")
ALL = "all kinds"
APART = 1 << 40  # between the positions of different machines


@dataclass(frozen=True)
class Plant:
    """Machines that are learned from for `normal_days`, and watched for `watched_days` with a share of anomalies."""

    machines: int = 4
    channels: int = 4
    normal_days: int = 30
    watched_days: int = 120
    anomaly_share: float = 0.04
    step_seconds: int = 300

    @property
    def steps_a_day(self) -> int:
        return 86_400 // self.step_seconds

    def tables(self, seed: int) -> tuple[pa.Table, pa.Table]:
        """Readings of the normal days, without anomalies, and those of the days that follow."""
        normal = self.normal_days * self.steps_a_day * self.machines
        watched = self.watched_days * self.steps_a_day * self.machines
        clean, full = (sensors_table(rows, seed, machines=self.machines, channels=self.channels,
                                     anomaly_share=share, step_seconds=self.step_seconds)
                       for rows, share in ((normal, 0), (normal + watched, self.anomaly_share)))
        return clean, full.slice(normal)


@dataclass(frozen=True)
class Placed:
    """Spans as positions, those of different machines far apart: true ones with their kinds, and found ones."""

    true: list[Span]
    kinds: list[str]
    found: list[Span]


def placed(watched: pd.DataFrame, spans: pd.DataFrame, step_seconds: int) -> Placed:
    """True spans, runs of labelled steps of one machine and kind, and found spans."""
    begin, machines = watched[TIME].min(), sorted(watched[ENTITY].unique())
    number = {name: APART * place for place, name in enumerate(machines)}

    def positions(names: pd.Series, times: pd.Series) -> np.ndarray:
        steps = (times - begin) // pd.Timedelta(seconds=step_seconds)
        return np.asarray(names.map(number) + steps, np.int64)

    bad = watched[watched[LABEL] == 1]
    at, kinds = positions(bad[ENTITY], bad[TIME]), bad[KIND].to_numpy()
    order = np.argsort(at)
    at, kinds = at[order], kinds[order]
    first = np.flatnonzero((np.diff(at, prepend=-2) != 1) | (kinds != np.roll(kinds, 1)))
    last = np.append(first[1:], len(at)) - 1
    starts, ends, peaks = (positions(spans[ENTITY], spans[name]).tolist() for name in ("start", "end", "peak"))
    return Placed([Span(int(at[i]), int(at[j]), int(at[i])) for i, j in zip(first, last, strict=True)],
                  [str(kinds[i]) for i in first], [Span(*each) for each in zip(starts, ends, peaks, strict=True)])


def judged(spans: Placed) -> list[dict[str, Any]]:
    """A line a kind, and one of all: true spans, recall, and of those met the mean share of steps within found spans,
    and the median steps from the start to the first alert. The line of all has the found spans, their precision, and
    the median of steps of a found span that meets a true one.
    """
    whole = span_quality(spans.found, spans.true, spans.kinds)
    names, lines = np.array(spans.kinds, object), []
    for kind in [ALL, *sorted(set(spans.kinds))]:
        of_kind = [span for span, name in zip(spans.true, names, strict=True) if kind in (ALL, name)]
        met = [(span, parts) for span in of_kind if (parts := _within(span, spans.found))]
        delays = [max(min(part.start for part in parts) - span.start, 0) for span, parts in met]
        covered = [sum(min(part.end, span.end) - max(part.start, span.start) + 1 for part in parts) / len(span)
                   for span, parts in met]
        lines.append({"kind": kind, "true": len(of_kind), "recall": len(met) / len(of_kind) if of_kind else np.nan,
                      "covered": np.mean(covered) if met else np.nan, "delay": np.median(delays) if met else np.nan})
    hits = [span for span in spans.found if _within(span, spans.true)]
    lines[0] |= {"found": len(spans.found), "false": len(spans.found) - len(hits), "precision": whole.precision,
                 "steps": float(np.median([len(span) for span in hits])) if hits else np.nan}
    return lines


def measure_plant(plant: Plant, seed: int) -> list[dict[str, Any]]:
    """The lines of `judged` of a plant, at the default settings and policy."""
    normal, watched = plant.tables(seed)
    start = time.perf_counter()
    channels = [name for name in normal.column_names if name not in NOT_CHANNELS]
    detector = SeriesDetector(ENTITY, TIME, channels).fit(normal)
    fitted = time.perf_counter()
    scored = detector.score(watched)
    found = placed(watched.to_pandas(), detector.spans(scored), plant.step_seconds)
    about = {"seed": seed, "machine_weeks": plant.machines * plant.watched_days / 7,
             "alerted": float(scored["alert"].mean()), "window": detector.scorer_.plan_.length,
             "fit_seconds": fitted - start, "score_seconds": time.perf_counter() - fitted}
    return [about | line for line in judged(found)]


def measure(plant: Plant, seeds: Sequence[int], out: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """The lines of each seed, kept in `FILE`; what is in it is not measured again."""

    def lines(key: tuple[Any, ...]) -> list[dict[str, Any]]:
        found = measure_plant(plant, key[0])
        say(f"seed {key[0]}: recall {found[0]['recall']:.2f}, precision {found[0]['precision']:.2f}, "
            f"fit {found[0]['fit_seconds']:.0f} s, score {found[0]['score_seconds']:.0f} s")
        return found

    return measure_undone(out / FILE, ["seed"], [(seed,) for seed in seeds], lines)


def _within(span: Span, others: Sequence[Span]) -> list[Span]:
    """Those of the others that share a step with the span."""
    return [other for other in others if other.start <= span.end and other.end >= span.start]
