"""What kind of values a column holds, found by looking at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.schema import Kind
from anomaly_cl.table.casting import as_words, cast_each, is_list, is_text, null_where, plain
from anomaly_cl.table.cells import cast_cells
from anomaly_cl.table.dates import MICROSECONDS, parse_datetimes

_GLANCE = 1_000  # cells that decide whether reading the whole column as numbers or dates is worth a try
_FEW_NUMBERS = 20


@dataclass(frozen=True)
class Reading:
    """How a column is read: its kind, its own Arrow type, its values in that type; None where it cannot be used.

    Attributes:
        note: what was found while reading, in plain words.
    """

    kind: Kind | None
    type: str
    values: pa.Array
    note: str = ""
    size: int | None = None
    date_order: str | None = None


def read_kind(column: pa.ChunkedArray) -> Reading:
    """Kind and values of a column of any Arrow type; numbers and dates written as text are recognised."""
    array = plain(column.combine_chunks())
    kind = array.type
    if is_text(kind):
        return Reading(None, str(kind), array, "binary values") if "binary" in str(kind) else _read_text(array)
    if pa.types.is_boolean(kind):
        return Reading(Kind.CATEGORICAL, "bool", array, "true or false")
    if pa.types.is_integer(kind):
        kind = kind if pa.types.is_uint64(kind) else pa.int64()
        return Reading(Kind.NUMERIC, str(kind), array.cast(kind))
    if pa.types.is_floating(kind):
        return Reading(Kind.NUMERIC, "double", cast_cells(array, pa.float64())[0])
    if pa.types.is_decimal(kind):
        return _read_decimal(array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        note = f"wall clock of {kind.tz}" if pa.types.is_timestamp(kind) and kind.tz else ""
        return Reading(Kind.DATETIME, str(MICROSECONDS), cast_cells(array, MICROSECONDS)[0], note)
    if is_list(kind):
        return _read_list(array)
    return Reading(None, str(kind), array, f"values of type {kind}")


def _read_decimal(array: pa.Array) -> Reading:
    """Databases export integers as decimals without a scale."""
    if array.type.scale == 0:
        whole, too_large = cast_each(array, pa.int64())
        if not too_large.any():
            return Reading(Kind.NUMERIC, "int64", whole)
    return Reading(Kind.NUMERIC, "double", array.cast(pa.float64()))


def _read_list(array: pa.Array) -> Reading:
    lengths = pc.drop_null(pc.list_value_length(array))
    element = array.type.value_type
    if not (pa.types.is_integer(element) or pa.types.is_floating(element)):
        return Reading(None, str(array.type), array, f"nested values of type {array.type}")
    size = pc.mode(lengths)[0] if len(lengths) else None
    if size is None or size["mode"].as_py() < 1 or not _tolerable(len(lengths) - size["count"].as_py(), len(lengths)):
        return Reading(None, str(array.type), array, "lists of different lengths")
    n = size["mode"].as_py()
    return Reading(Kind.VECTOR, str(pa.list_(pa.float32(), n)), array, f"a vector of {n} numbers", size=n)


def _read_text(text: pa.Array) -> Reading:
    strings = null_where(pc.equal(text, ""), text)
    words = as_words(text)
    present = words.drop_null()
    glance = present.take(np.unique(np.linspace(0, len(present) - 1, _GLANCE).astype(int))) if len(present) else present
    for read in (_as_numbers, _as_dates):
        if len(present) and read(glance) is not None:
            found = read(words)
            if found is not None:
                return found
    return Reading(Kind.CATEGORICAL, "string", strings)


def _as_numbers(words: pa.Array) -> Reading | None:
    """Numbers, unless leading zeros show that they are codes, or the other cells that they are categories."""
    if pc.any(pc.match_substring_regex(words, r"^0\d")).as_py():
        return None
    values, bad = cast_cells(words, pa.float64())
    if not _tolerable(int(bad.sum()), len(words) - words.null_count):
        return None
    if bad.any():
        others = words.filter(pa.array(bad))
        repeat = len(others) > 2 and len(others.unique()) < len(others)
        if repeat and pc.count_distinct(values).as_py() <= _FEW_NUMBERS:
            return None
    if not pc.any(pc.match_substring_regex(words.filter(pa.array(~bad)), r"[.eE]")).as_py():
        whole, not_whole = cast_cells(words, pa.int64())  # from the text: a float64 would round long integers
        if (not_whole == bad).all():
            return Reading(Kind.NUMERIC, "int64", whole)
    return Reading(Kind.NUMERIC, "double", values)


def _as_dates(words: pa.Array) -> Reading | None:
    """Dates; where days and months cannot be told apart, the month is taken to come first."""
    n_present = len(words) - words.null_count
    values, bad = parse_datetimes(words)
    if _tolerable(int(bad.sum()), n_present):
        return Reading(Kind.DATETIME, str(MICROSECONDS), values)
    (days, bad_days), (months, bad_months) = parse_datetimes(words, "dmy"), parse_datetimes(words, "mdy")
    if not _tolerable(int(min(bad_days.sum(), bad_months.sum())), n_present):
        return None
    if bad_days.sum() < bad_months.sum():
        return Reading(Kind.DATETIME, str(MICROSECONDS), days, "day before month", date_order="dmy")
    note = "month before day" if bad_months.sum() < bad_days.sum() else "month taken before day, which no cell decides"
    return Reading(Kind.DATETIME, str(MICROSECONDS), months, note, date_order="mdy")


def _tolerable(bad: int, present: int) -> bool:
    """Whether so few cells are unlike the others that they are errors: a tenth, or one of five."""
    return present > 0 and (bad <= 0.1 * present or (bad == 1 and present >= 5))
