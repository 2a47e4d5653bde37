"""When a reader would call two values of a column different."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

FAR = 0.1  # numbers this share apart differ
HOURS_APART = 3.0  # of the clock


def differing(record: Mapping[str, Any], other: Mapping[str, Any], columns: Iterable[str]) -> frozenset[str]:
    """Those of the columns in which two records differ."""
    return frozenset(name for name in columns if differs(record.get(name), other.get(name)))


def differs(value: Any, other: Any) -> bool:
    """Whether a reader would call these two values different.

    >>> differs(100, 105), differs(100, 140), differs("chip", "online"), differs(None, 3)
    (False, True, True, True)
    >>> differs("2018-08-08T23:30:00", "2018-07-01T01:00:00"), differs("2018-08-08T03:00:00", "2018-07-01T13:00:00")
    (False, True)
    """
    if is_missing(value) or is_missing(other):
        return is_missing(value) != is_missing(other)
    if is_number(value) and is_number(other):
        return bool(abs(value - other) > FAR * max(abs(value), abs(other)))
    one, two = moment(value), moment(other)
    if one and two:
        apart = abs((one.hour + one.minute / 60) - (two.hour + two.minute / 60))
        return min(apart, 24 - apart) > HOURS_APART
    return str(value) != str(other)


def moment(value: Any) -> datetime | None:
    """The time that a value or a stored text means, or None if it is none, nor written as an ISO date and time."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
