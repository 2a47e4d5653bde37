"""Which jobs a benchmark has, and doing those that are not done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from apps.benchmark.models import UNCLEAN, Model
from apps.benchmark.results import Job, Result, measure, read_result, write_result
from apps.benchmark.workers import run_tasks


def jobs(
    sets: Sequence[Path], chosen: dict[str, Model], seeds: Sequence[int], shares: Sequence[float] = ()
) -> Iterator[Job]:
    """All jobs, a whole seed before the next, so that a run that is stopped has compared all models on all sets.

    With shares of anomalies, the models that take part in that are also measured at each share and at 0.
    """
    for seed in seeds:
        for data in sets:
            yield from (Job(data, name, model, seed) for name, model in chosen.items())
            for share in sorted({0.0, *shares}) if shares else ():
                yield from (Job(data, name, model, seed, share) for name, model in chosen.items() if name in UNCLEAN)


def is_done(job: Job, out: Path, *, again: bool = False) -> bool:
    """Whether the job has a result; with `again`, one without an error and of the program as it is now."""
    file = job.file(out)
    if not file.exists():
        return False
    result = read_result(file)
    return not again or (not result.error and result.code == job.model.code)


def run(
    planned: Sequence[Job], out: Path, n_workers: int, limit: float, told: Callable[[Job, Result], None]
) -> None:
    """Do the jobs in parallel and keep each result as it comes; `told` hears of every one."""
    for job, result in run_tasks(measure, planned, n_workers, Result.failed, limit):
        write_result(result, job.file(out))
        told(job, result)
