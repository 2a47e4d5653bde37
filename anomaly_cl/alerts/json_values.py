"""The one place where values of records become JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd


def json_value(value: Any) -> Any:
    """What JSON can hold of a value from a table; never fails, and leaves its own results as they are.

    - missing (None, NaN, NaT, NA): null;  infinite: the text "Infinity" or "-Infinity"
    - numbers, also NumPy's: numbers;  Decimal: a number if a float holds it exactly as written, else its text
    - date, time and datetime (an offset is kept): ISO 8601 text;  duration: seconds
    - bytes: hexadecimal text;  lists, tuples and arrays: lists;  mappings: mappings with text keys
    - anything else: its text

    >>> json_value({"amount": Decimal("4310.25"), "rate": float("nan"), "at": datetime(2018, 8, 8, 3, 12)})
    {'amount': 4310.25, 'rate': None, 'at': '2018-08-08T03:12:00'}
    """
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, Mapping):
        return {str(name): json_value(held) for name, held in value.items()}
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return [json_value(held) for held in value]
    return _scalar(value[()] if isinstance(value, np.ndarray) else value)


def json_text(value: Any) -> str:
    """JSON of `json_value(value)`."""
    return json.dumps(json_value(value), allow_nan=False)


def value_text(value: Any) -> str | None:
    """A value from a table as the text by which it is found again: a text itself, a number or bool as in JSON.

    None for a missing value, and for lists and mappings.

    >>> [value_text(value) for value in ("M-1", 4310.25, 7, True, float("nan"))]
    ['M-1', '4310.25', '7', 'true', None]
    """
    held = json_value(value)
    if held is None or isinstance(held, str):
        return held
    return None if isinstance(held, list | dict) else json.dumps(held)


def _scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _decimal(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, np.timedelta64):  # before numbers: NumPy counts durations among the integers
        return float(value / np.timedelta64(1, "s"))
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _finite(float(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex()
    return str(value)


def _finite(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> float | str | None:
    if value.is_nan():
        return None
    nearest = _finite(float(value)) if value.is_infinite() or abs(value) < Decimal("1e308") else str(value)
    return nearest if isinstance(nearest, str) or Decimal(repr(nearest)) == value else str(value)
