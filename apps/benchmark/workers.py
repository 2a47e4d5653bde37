"""Tasks in worker processes of one thread each; a worker that dies or takes too long costs only its own task."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class _Worker(Generic[Task, Outcome]):
    """A process that answers tasks one after the other, and the task it is at."""

    def __init__(self, function: Callable[[Task], Outcome]):
        context = mp.get_context("spawn")  # a fork would inherit torch's threads in a state that hangs
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(function, far), daemon=True)
        with one_thread():
            self.process.start()
        far.close()

    def give(self, task: Task) -> None:
        self.task, self.started = task, time.monotonic()
        self.pipe.send(task)

    def stop(self) -> int | None:
        """End the process, and tell how it ended."""
        self.process.join(timeout=1)  # one that died by itself has its exit code in a moment
        self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def run_tasks(
    function: Callable[[Task], Outcome],
    tasks: Sequence[Task],
    n_workers: int,
    lost: Callable[[Task, str], Outcome],
    limit: float = float("inf"),
) -> Iterator[tuple[Task, Outcome]]:
    """Each task with its outcome, as they end; function and tasks must pickle.

    `lost(task, reason)` is the outcome of a task whose worker died or was stopped after `limit` seconds.
    """
    waiting = deque(tasks)
    idle: list[_Worker[Task, Outcome]] = []
    busy: dict[Any, _Worker[Task, Outcome]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < n_workers:
                worker = idle.pop() if idle else _Worker(function)
                busy[worker.pipe] = worker
                worker.give(waiting.popleft())
            first_end = min(worker.started for worker in busy.values()) + limit
            for pipe in wait(list(busy), None if limit == float("inf") else max(first_end - time.monotonic(), 0)):
                worker = busy.pop(pipe)
                try:
                    outcome = worker.pipe.recv()
                    idle.append(worker)
                except (EOFError, ConnectionResetError):
                    outcome = lost(worker.task, f"the worker process died (exit code {worker.stop()})")
                yield worker.task, outcome
            for worker in [worker for worker in busy.values() if time.monotonic() - worker.started > limit]:
                del busy[worker.pipe]
                worker.process.kill()
                worker.stop()
                yield worker.task, lost(worker.task, f"stopped after {limit:g} seconds")
    finally:
        for worker in [*idle, *busy.values()]:
            worker.process.kill()
            worker.stop()


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    while True:
        pipe.send(function(pipe.recv()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Libraries read these when they are loaded, so a process must be started with them."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name in ONE_THREAD:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})
