"""Runs of the benchmark of series: a model on a series with a seed, and the file that results are added to."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path

import pandas as pd

from anomaly_cl.errors import InputError
from apps.benchmark.series.models import MeasuredModel
from apps.benchmark.series.protocol import Judged, family, judge, read_series
from apps.benchmark.workers import run_tasks

RESULTS = "results.csv"
KEY = ["series", "model", "seed"]
MEASURES = list(Judged._fields)


@dataclass(frozen=True)
class SeriesJob:
    """A model, a series and a seed."""

    data: Path
    name: str
    model: MeasuredModel
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.data.stem, self.name, self.seed


@dataclass(frozen=True)
class SeriesResult:
    """What came of a job: measures, or an error; `code` is the digest of the model's program."""

    series: str
    family: str
    model: str
    seed: int
    code: str
    date: str
    steps: int | None = None
    channels: int | None = None
    vus_pr: float | None = None
    auc_pr: float | None = None
    auc_roc: float | None = None
    seconds: float | None = None
    error: str = ""

    @classmethod
    def failed(cls, job: SeriesJob, error: str) -> SeriesResult:
        return cls(job.data.stem, family(job.data.stem), job.name, job.seed, job.model.code, date.today().isoformat(),
                   error=" ".join(error.split()))


COLUMNS = [each.name for each in fields(SeriesResult)]


def series_jobs(found: Sequence[Path], chosen: dict[str, MeasuredModel], seeds: Sequence[int]) -> list[SeriesJob]:
    """All jobs, one model after the other; one whose scores do not depend on a seed is measured with the first."""
    return [SeriesJob(data, name, model, seed) for name, model in chosen.items()
            for seed in (seeds if model.seeded else seeds[:1]) for data in found]


def measure(job: SeriesJob) -> SeriesResult:
    """Fit, score and judge; whatever the model raises becomes the result's error, for one model may not end the run."""
    try:
        series = read_series(job.data)
        judged = judge(job.model.make(job.seed), series)
        return SeriesResult(job.data.stem, family(job.data.stem), job.name, job.seed, job.model.code,
                            date.today().isoformat(), *series.values.shape, **judged._asdict())
    except Exception as error:
        return SeriesResult.failed(job, f"{type(error).__name__}: {error}")


def run(
    jobs: Sequence[SeriesJob], out: Path, n_workers: int, limit: float, tell: Callable[[SeriesResult], None]
) -> None:
    """Do the jobs and add each result to the file as it comes; `tell` hears of every one."""
    for _, result in run_tasks(measure, jobs, n_workers, SeriesResult.failed, limit):
        add_result(result, out / RESULTS)
        tell(result)


def add_result(result: SeriesResult, file: Path) -> None:
    """Write a line at the end of the file, in the place of half a line that a killed run may have left."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as kept:
        kept.seek(0)
        whole = kept.read().rfind(b"\n") + 1
        kept.truncate(whole)
    with file.open("a", newline="", encoding="utf-8") as kept:
        writer = csv.DictWriter(kept, COLUMNS, lineterminator="\n")
        if not whole:
            writer.writeheader()
        writer.writerow(asdict(result))
        kept.flush()
        os.fsync(kept.fileno())


def read_results(file: Path) -> pd.DataFrame:
    """One line a run, the last where it was repeated; no lines of a file that is not there. InputError if it is broken.
    """
    if not file.exists():
        return pd.DataFrame(columns=COLUMNS)
    with file.open(newline="", encoding="utf-8") as kept:
        lines = [line for line in kept if line.endswith("\n")]
    rows = list(csv.DictReader(lines))
    if any(set(row) != set(COLUMNS) or None in row.values() for row in rows):
        raise InputError(f"a file of results has the columns {COLUMNS}", f"{file} has a line of others", "delete it")
    try:
        frame = pd.DataFrame(rows, columns=COLUMNS).astype({"seed": int})
        frame[MEASURES] = frame[MEASURES].apply(pd.to_numeric)
    except ValueError as error:
        raise InputError("measures and seeds are numbers", f"{file}: {error}", "delete it") from error
    return frame.drop_duplicates(KEY, keep="last", ignore_index=True)


def undone(jobs: Sequence[SeriesJob], frame: pd.DataFrame, *, again: bool) -> list[SeriesJob]:
    """The jobs without a result; with `again`, also those that failed and those of a changed program."""
    done = {(line["series"], line["model"], line["seed"]): line for line in frame.to_dict("records")}

    def waits(job: SeriesJob) -> bool:
        line = done.get(job.key)
        return line is None or (again and bool(line["error"] or line["code"] != job.model.code))

    return [job for job in jobs if waits(job)]
