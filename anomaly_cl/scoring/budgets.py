"""Policies by the number of alerts that people can work through: in a file, an hour, day or week, or a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.policy import Known, ScoredRows, number_in

PERIODS = ("hour", "day", "week")
SEGMENT = "segment"
MONDAY = 3  # days from a Monday to 1970-01-01, where NumPy's days begin


@dataclass(frozen=True)
class Budget:
    """Alert the `count` highest scores of a file, or of each group of it; equal scores in row order.

    each: "hour", "day" or "week" (from Monday) of the rows' times, "segment", or None for the file. Rows without a time
    or segment are a group of their own. A group of fewer rows is alerted as a whole.
    """

    count: int
    each: str | None = None
    name: ClassVar[str] = "budget"

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise UsageError("a budget is a whole number of alerts, 1 or more", f"it is {self.count!r}",
                             "write for example budget=100")
        if self.each not in (None, SEGMENT, *PERIODS):
            raise UsageError(f"a budget is for the file, or one of {[f'/{each}' for each in (*PERIODS, SEGMENT)]}",
                             f"it is /{self.each}", "write for example budget=100/day")

    @classmethod
    def parse(cls, value: str) -> Self:
        count, slash, each = value.partition("/")
        return cls(number_in(int, count, "budget=100"), each.strip().lower() if slash else None)

    def check(self, known: Known) -> None:
        """Any calibration will do, since only the order of scores counts; raises UsageError without the column."""
        role = "segment" if self.each == SEGMENT else "time"
        if self.each and not (known.segments if self.each == SEGMENT else known.times):
            raise UsageError(f"{self} needs a column of role {role}", "the model's schema has none",
                             f"give a column that role in the schema and fit again, or write budget={self.count}")

    def warning(self, known: Known) -> str:
        return ""

    def may_alert(self, rows: ScoredRows) -> np.ndarray:
        return self.alerts(rows)

    def alerts(self, rows: ScoredRows) -> np.ndarray:
        return highest(rows.scores, self._groups(rows), self.count)

    def cut(self, rows: ScoredRows) -> dict[str, Any]:
        groups = self._groups(rows)[self.alerts(rows)]
        return {"groups": len(np.unique(groups))} if self.each else {}

    def in_words(self) -> str:
        return f"the {self.count:,} highest scores of {'each ' + self.each if self.each else 'the file'}"

    def __str__(self) -> str:
        return f"{self.name}={self.count}" + (f"/{self.each}" if self.each else "")

    def _groups(self, rows: ScoredRows) -> np.ndarray:
        if self.each is None:
            return np.zeros(len(rows), np.int64)
        values = rows.segments if self.each == SEGMENT else rows.times
        if values is None:
            raise InputError(f"{self} needs the rows' {'segments' if self.each == SEGMENT else 'times'}",
                             "they are not given", f"give them, or use budget={self.count}")
        return segment_groups(values) if self.each == SEGMENT else period_groups(values, self.each)


def highest(scores: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mask (rows,) of the `count` highest scores (rows,) of each group (rows,), equal ones in row order.

    >>> highest(np.array([1.0, 3.0, 3.0, 2.0]), np.array([0, 0, 0, 1]), 1).tolist()
    [False, True, False, True]
    """
    return places(scores, groups) < count


def places(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Place (rows,) of each score (rows,) in its group (rows,), 0 = the highest; equal ones in row order.

    >>> places(np.array([1.0, 3.0, 3.0, 2.0]), np.array([0, 0, 0, 1])).tolist()
    [2, 0, 1, 0]
    """
    order = np.lexsort((-scores, groups))  # a stable sort: rows of equal keys keep their order
    ordered = groups[order]
    place = np.empty(len(scores), np.int64)
    place[order] = np.arange(len(scores)) - np.searchsorted(ordered, ordered)
    return place


def period_groups(times: np.ndarray, period: str) -> np.ndarray:
    """Number (rows,) of the hour, day or week of each time (rows,); missing times share a number of their own."""
    if period == "hour":
        return times.astype("datetime64[h]").astype(np.int64)
    days = times.astype("datetime64[D]").astype(np.int64)
    return days if period == "day" else (days + MONDAY) // 7


def segment_groups(segments: np.ndarray) -> np.ndarray:
    """Number (rows,) of each segment (rows,), by first appearance; missing ones share a number of their own."""
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(segment, len(seen)) for segment in segments.tolist()], np.int64)
