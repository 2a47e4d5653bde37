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


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes once."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def warm_seconds(work: Callable[[], Any]) -> float:
    """The median of some times; one before does not count, because it reads the file into memory."""
    work()
    return median(seconds(work) for _ in range(REPEATS))


def plan(engine: Engine, statement: str, parameters: Any) -> list[str]:
    """How SQLite finds the answer of a statement, a line a step."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [str(row[3]) for row in rows]
