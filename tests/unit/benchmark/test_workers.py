from __future__ import annotations

import os

from made_up_models import double_or_worse

from apps.benchmark.workers import ONE_THREAD, run_tasks


def lost(task: int | str, reason: str) -> str:
    return f"{task}: {reason}"


def test_every_task_has_its_outcome_whatever_happens_to_its_worker() -> None:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    tasks: list[int | str] = [1, "die", 2, "threads", 3]
    outcomes = dict(run_tasks(double_or_worse, tasks, 2, lost))
    assert outcomes == {1: 2, 2: 4, 3: 6, "threads": "1", "die": "die: the worker process died (exit code 3)"}
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before


def test_a_task_is_stopped_at_the_limit() -> None:
    assert dict(run_tasks(double_or_worse, ["sleep"], 1, lost, limit=0.1)) == {
        "sleep": "sleep: stopped after 0.1 seconds"
    }
