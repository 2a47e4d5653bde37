"""Commands in processes of their own, which are killed at a given moment.

Each process is forked from one that has the libraries loaded and did nothing with them, so that it starts in no time.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from apps.benchmark.workers import one_thread

LOADED = ("anomaly_cl.cli.app", "anomaly_cl.batch.score", "anomaly_cl.batch.investigation",
          "anomaly_cl.detectors.loading", "apps.benchmark.kills.processes")
STEPS = ("open", "os.rename", "os.remove")  # as Python's audit hooks call them


@dataclass(frozen=True)
class Moment:
    """When a process is killed: some seconds after it began, or after its first step of some name, or before its N-th
    step, from 1; never, if nothing is given.

    A step opens, renames or removes a file of the folder of the output, and is called "event name".
    """

    seconds: float | None = None
    after: str = ""
    step: int = 0


NEVER = Moment()


@dataclass(frozen=True)
class Ended:
    """How a process ended, in how many seconds, what it said, and its steps with their seconds after the start."""

    code: int | None
    seconds: float
    said: str
    steps: tuple[tuple[float, str], ...]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


def run_command(words: Sequence[object], folder: Path, moment: Moment = NEVER) -> Ended:
    """Run anomaly-cl with these words in a process that is killed at the moment, if it has not ended before."""
    context: Any = mp.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    near, far = context.Pipe(duplex=False)
    log = folder.with_name(f"{folder.name}.log")
    process = context.Process(target=_serve, args=([str(word) for word in words], folder, log, moment.step, far))
    with one_thread():
        process.start()
    started = time.monotonic()
    far.close()
    steps: list[tuple[float, str]] = []
    deadline = None if moment.seconds is None or moment.after else started + moment.seconds
    while True:
        ready = wait([near], None if deadline is None else max(deadline - time.monotonic(), 0))
        if not ready:
            process.kill()
            deadline = None
            continue
        try:
            at, step = near.recv()
        except EOFError:
            break
        steps.append((at - started, step))
        if moment.after == step and deadline is None and moment.seconds is not None:
            deadline = time.monotonic() + moment.seconds
    process.join()
    near.close()
    return Ended(process.exitcode, time.monotonic() - started, log.read_text(encoding="utf-8"), tuple(steps))


def _serve(words: list[str], folder: Path, log: Path, last_step: int, pipe: Connection) -> None:
    from anomaly_cl.cli import main

    place, seen = str(folder), 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in STEPS or not str(arguments[0]).startswith(place):
            return
        seen += 1
        if seen == last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        name = Path(str(arguments[0])).name.replace(str(os.getpid()), "PID")
        pipe.send((time.monotonic(), f"{event} {name}"))

    sys.argv = ["anomaly-cl", *words]
    with open(log, "w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        sys.addaudithook(watch)
        main()
