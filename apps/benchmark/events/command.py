"""What the commands `events` and `history` do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anomaly_cl.errors import InputError
from apps.benchmark.events.history import FILE, HistoryCost, measure_history
from apps.benchmark.events.protocol import Names, Week, check_weeks, read_transactions
from apps.benchmark.events.report import write_report
from apps.benchmark.events.runs import KEPT, EventJob, EventResult, event_jobs, read_result, run, write
from apps.benchmark.workers import run_tasks

WEEKS = ("2018-07-25", "2018-07-11", "2018-06-27", "2018-06-13")
COST = "history.json"


@dataclass(frozen=True)
class _HistoryTask:
    data: Path
    names: Names
    file: Path


def measure_events(
    data: Path, names: Names, out: Path, weeks: Sequence[str] | None, chosen: Sequence[str] | None,
    seeds: Sequence[int] | None, limit: float, say: Callable[[str], None], *, again: bool = False,
) -> Path:
    """Do the runs that are not done, and report on all of these weeks, models and seeds; the file of the report."""
    asked = [Week.parse(text) for text in dict.fromkeys(weeks or WEEKS)]
    check_weeks(asked, read_transactions(data, names))
    jobs = event_jobs(data, names, asked, sorted(set(seeds or [0])), out, chosen)
    waiting = [job for job in jobs if not is_done(job, again=again)]
    say(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them done before")
    if waiting and not (out / KEPT / FILE).exists():
        say(keep_history(data, names, out).in_words())

    def tell(job: EventJob, result: EventResult) -> None:
        judged = result.judged
        say(f"{job.name} {job.week} seed {job.seed}: " + (result.error if judged is None else (
            f"AP {judged.auc_pr:.4f}  CP@100 {judged.card_precision:.4f}  fit {result.fit_seconds:.1f} s  "
            f"score {result.score_seconds:.1f} s  {result.peak_megabytes:.0f} MB")))

    try:
        run(waiting, limit, tell)
    finally:  # a run that is stopped has a report of what it did
        report = write_report(jobs, out, read_cost(out)) if any(job.file.exists() for job in jobs) else out
    return report


def is_done(job: EventJob, *, again: bool = False) -> bool:
    """Whether the job has a result; with `again`, one without an error and of the program as it is now."""
    if not job.file.exists():
        return False
    result = read_result(job.file)
    return not again or (not result.error and result.code == job.model.code)


def keep_history(data: Path, names: Names, out: Path) -> HistoryCost:
    """Compute the history of all transactions in a process of its own; keep it, and what it cost, in the folder."""
    task = _HistoryTask(data, names, out / KEPT / FILE)
    for _, cost in run_tasks(_history, [task], 1, lambda _, reason: reason):
        if isinstance(cost, str):
            raise InputError("the history of all transactions is computed first", cost, "correct the data")
        write(asdict(cost), out / COST)
        return cost
    raise AssertionError("a task has an outcome")


def read_cost(out: Path) -> HistoryCost | None:
    file = out / COST
    return HistoryCost(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _history(task: _HistoryTask) -> HistoryCost | str:
    try:
        return measure_history(task.data, task.names, task.file)
    except Exception as error:  # told by the parent, in its words
        return f"{type(error).__name__}: {error}"
