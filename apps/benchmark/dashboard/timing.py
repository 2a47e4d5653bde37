"""Seconds of a piece of work, its statements counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sqlalchemy import Engine, event

REPEATS = 3


@dataclass
class Statements:
    """What was asked of the database: each statement's text and parameters."""

    asked: list[tuple[str, Any]] = field(default_factory=list)

    @contextmanager
    def of(self, engine: Engine) -> Iterator[Statements]:
        def see(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            self.asked.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", see)
        try:
            yield self
        finally:
            event.remove(engine, "before_cursor_execute", see)


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, and seconds that the process computed: alike, unless others keep the machine busy."""

    wall: float
    cpu: float


def took(work: Callable[[], Any]) -> Took:
    """How long it takes once."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def warm(work: Callable[[], Any]) -> Took:
    """The median of some times; one before does not count, because it reads the file into memory."""
    work()
    found = [took(work) for _ in range(REPEATS)]
    return Took(median(one.wall for one in found), median(one.cpu for one in found))


def plan(engine: Engine, statement: str, parameters: Any) -> list[str]:
    """How SQLite finds the answer of a statement, a line a step."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [str(row[3]) for row in rows]
