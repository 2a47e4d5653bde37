"""One measurement of one model in one week: the job, what came of it, and where that is kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.events.judging import Judged, judge
from apps.benchmark.events.memory import peak_megabytes
from apps.benchmark.events.protocol import Names, Scene, Week, read_transactions
from apps.benchmark.models import Model
from apps.benchmark.workers import run_tasks

RUNS, KEPT = "runs", "kept"
SUPERVISED, CEILING = "supervised", "ceiling-without-labels"


class EventModel(Protocol):
    """Learns from a scene's training week, with what was before, and scores its test week, higher = stranger."""

    def fit(self, scene: Scene) -> Any: ...

    def score(self, scene: Scene) -> np.ndarray: ...


@dataclass(frozen=True)
class EventJob:
    """A model, a week and a seed; `out` is the folder of all results."""

    data: Path
    names: Names
    name: str
    model: Model
    week: Week
    seed: int
    out: Path

    @property
    def file(self) -> Path:
        return self.out / RUNS / self.name / f"{self.week}-seed-{self.seed}.json"


@dataclass(frozen=True)
class EventResult:
    """What came of a job: measures, seconds (histories included), peak memory and the machine's load; or an error."""

    model: str
    week: str
    seed: int
    code: str
    date: str
    judged: Judged | None = None
    fit_seconds: float | None = None
    score_seconds: float | None = None
    peak_megabytes: float | None = None
    load: float | None = None
    error: str = ""

    @classmethod
    def of(cls, job: EventJob, **measured: Any) -> EventResult:
        return cls(job.name, str(job.week), job.seed, job.model.code, date.today().isoformat(), **measured)


def models() -> dict[str, Model]:
    """All models {name: model}."""
    from apps.benchmark.events.book import Ceiling, Supervised
    from apps.benchmark.events.ours import our_models
    from apps.benchmark.events.peers import peers

    makers: dict[str, Callable[[int], Any]] = our_models()
    found = {name: Model(make, "anomaly_cl") for name, make in makers.items()}
    found |= {name: Model(make, "pyod") for name, make in peers().items()}
    bounds: dict[str, Callable[[int], Any]] = {SUPERVISED: Supervised, CEILING: Ceiling}
    return found | {name: Model(make, "apps.benchmark.events") for name, make in bounds.items()}


def event_jobs(
    data: Path, names: Names, weeks: Sequence[Week], seeds: Sequence[int], out: Path,
    chosen: Sequence[str] | None = None,
) -> list[EventJob]:
    """All jobs, one model after the other; raises UsageError for an unknown model."""
    known = models()
    if unknown := sorted(set(chosen or ()) - set(known)):
        raise UsageError(f"models are among {list(known)}", f"found {unknown}", "correct the names")
    return [EventJob(data, names, name, model, week, seed, out) for name, model in known.items()
            if not chosen or name in chosen for seed in seeds for week in weeks]


def measure(job: EventJob) -> EventResult:
    """Fit, score and judge; whatever the model raises becomes the result's error, for one model may not end the run."""
    try:
        scene = Scene(read_transactions(job.data, job.names), job.week, job.out / KEPT)
        load, model = os.getloadavg()[0], job.model.make(job.seed)
        start = time.perf_counter()
        model.fit(scene)
        fitted = time.perf_counter()
        scores = np.asarray(model.score(scene), np.float64)
        scored = time.perf_counter()
        left = scene.remaining()
        judged = judge(scene.transactions.iloc[scene.test][left], scores[left])
        return EventResult.of(job, judged=judged, fit_seconds=fitted - start, score_seconds=scored - fitted,
                              peak_megabytes=peak_megabytes(), load=load)
    except Exception as error:
        return EventResult.of(job, error=f"{type(error).__name__}: {error}")


def run(jobs: Sequence[EventJob], limit: float, told: Callable[[EventJob, EventResult], None]) -> None:
    """Do the jobs, each in a process of its own, and keep each result as it comes; `told` hears of every one."""
    def lost(job: EventJob, reason: str) -> EventResult:
        return EventResult.of(job, error=reason)

    for each in jobs:
        for job, result in run_tasks(measure, [each], 1, lost, limit):
            write(asdict(result), job.file)
            told(job, result)


def write(record: dict[str, Any], file: Path) -> None:
    """Write a record as JSON, at once or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


def read_result(file: Path) -> EventResult:
    """The result of a file; raises InputError if it is not one."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        judged = record.pop("judged")
        return EventResult(**record, judged=None if judged is None else Judged(**judged))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError("a result file holds one result as JSON", f"{file}: {error!r}", "delete it") from error


def read_results(jobs: Sequence[EventJob]) -> Iterator[EventResult]:
    """The results of those jobs that have one."""
    return (read_result(job.file) for job in jobs if job.file.exists())
