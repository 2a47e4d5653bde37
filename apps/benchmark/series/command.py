"""What the command `series` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.benchmark.series.models import choose
from apps.benchmark.series.protocol import choose_series, find_series
from apps.benchmark.series.report import read_published, write_report
from apps.benchmark.series.runs import RESULTS, SeriesResult, read_results, run, series_jobs, undone


@dataclass(frozen=True)
class Asked:
    """What is measured: parts of the names of series and names of models (None: all), seeds; and how."""

    only: Sequence[str] | None = None
    models: Sequence[str] | None = None
    seeds: Sequence[int] = (0,)
    published: Path | None = None
    workers: int = 1
    limit: float = 3600
    again: bool = False


def measure_series(data: Path, out: Path, asked: Asked, say: Callable[[str], None]) -> Path:
    """Do the runs that are not done, and report on all of these series, models and seeds; the file of the report."""
    found = find_series(data)
    published = read_published(asked.published) if asked.published else None
    jobs = series_jobs(choose_series(found, asked.only), choose(asked.models, say), asked.seeds)
    waiting = undone(jobs, read_results(out / RESULTS), again=asked.again)
    say(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them done before")

    def tell(result: SeriesResult) -> None:
        say(f"{result.model} {result.series} seed {result.seed}: " + (result.error or (
            f"VUS-PR {result.vus_pr:.3f}  AUC-PR {result.auc_pr:.3f}  AUC-ROC {result.auc_roc:.3f}  "
            f"{result.seconds:.2f} s")))

    try:
        run(waiting, out, asked.workers, asked.limit, tell)
    finally:  # a run that is stopped has a report of what it did
        report = write_report(jobs, [path.stem for path in found], published, out)
    return report
