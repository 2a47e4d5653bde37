"""Cells of one column, of whatever Arrow type the input has, as the type that its schema column asks for."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import InputError
from anomaly_cl.schema import NOT_READ, Column, Kind, Role
from anomaly_cl.table.casting import (
    as_words,
    cast_each,
    is_list,
    is_number,
    is_text,
    mask_of,
    null_nan,
    null_where,
    plain,
)
from anomaly_cl.table.dates import MICROSECONDS, in_zone, parse_datetimes, parse_instants

Cells = tuple[pa.Array, np.ndarray]

_NUMBER = r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity))$"
_ZONED = re.compile(r"^timestamp\[us, tz=(.+)\]$")
_WRITTEN_AS_FLOAT = r"[.+eEn]"
_BY_KIND = {Kind.NUMERIC: pa.float64(), Kind.CATEGORICAL: pa.string(), Kind.TEXT: pa.string(),
            Kind.DATETIME: MICROSECONDS}
_KEEP_OWN_TYPE = NOT_READ | {Role.KEY, Role.ENTITY}


def arrow_type(column: Column) -> pa.DataType | None:
    """The Arrow type that the reader yields for a column; None for an ignored one that stays as it is in the file.

    Features follow their kind, and so does a time unless its `type` names a zone: it is then read as instants. Keys,
    entities, labels and ignored columns follow the `type` of the schema.
    """
    if column.kind is Kind.VECTOR:
        return pa.list_(pa.float32(), column.size)
    if column.role is Role.TIME and (zoned := _ZONED.match(column.type)):
        return pa.timestamp("us", zoned[1])
    if column.role not in _KEEP_OWN_TYPE:
        return _BY_KIND[column.kind]
    try:
        return pa.type_for_alias(column.type)
    except ValueError:
        if column.role in NOT_READ:
            return None
        raise InputError(f"the type of column {column.name!r} must be the name of an Arrow type",
                         f"it is {column.type!r}", "write for example int64, double, string or timestamp[us]") from None


def cast_cells(array: pa.Array, target: pa.DataType, date_order: str | None = None) -> Cells:
    """Cells as `target`, null where one cannot be cast, and a mask of those; NaN and empty text become null.

    Raises TypeError when the types are so unlike that no cell could ever be cast.
    """
    array = plain(array)
    try:
        if pa.types.is_null(array.type) or array.null_count == len(array):
            return pa.nulls(len(array), target), np.zeros(len(array), dtype=bool)
        if pa.types.is_timestamp(target):
            return _times(array, target, date_order)
        if pa.types.is_fixed_size_list(target):
            return _vectors(array, target)
        if pa.types.is_string(target):
            text, bad = cast_each(null_nan(array), target)
            return null_where(pc.equal(text, ""), text), bad
        if is_number(target):
            return _numbers(array, target)
        return cast_each(as_words(array) if is_text(array.type) and array.type != target else array, target)
    except pa.ArrowNotImplementedError as error:
        raise TypeError(f"{array.type} is no {target}") from error


def _numbers(array: pa.Array, target: pa.DataType) -> Cells:
    if is_text(array.type):
        return _numbers_in_text(as_words(array), target)
    if pa.types.is_temporal(array.type):
        raise TypeError(f"{array.type} is no {target}")
    if pa.types.is_floating(target):  # not safely: an int64 beyond 2**53 is a number all the same
        return null_nan(array.cast(target, safe=False)), np.zeros(len(array), dtype=bool)
    return _whole(array, target) if pa.types.is_floating(array.type) else cast_each(array, target)


def _whole(array: pa.Array, target: pa.DataType) -> Cells:
    """Floats as integers; those with a fraction are bad."""
    array = null_nan(array)
    fractional = pc.not_equal(pc.floor(array), array)
    values, too_large = cast_each(null_where(fractional, array), target)
    return values, too_large | mask_of(fractional)


def _numbers_in_text(words: pa.Array, target: pa.DataType) -> Cells:
    try:
        return words.cast(target), np.zeros(len(words), dtype=bool)
    except pa.ArrowInvalid:
        unlike = pc.invert(pc.match_substring_regex(words, _NUMBER))
    words = null_where(unlike, words)
    if pa.types.is_floating(target):
        values, bad = cast_each(words, target)
    else:  # "12.0" is what pandas writes for an integer in a column that also has missing cells
        as_float = pc.match_substring_regex(words, _WRITTEN_AS_FLOAT)
        values, bad = cast_each(null_where(as_float, words), target)
        whole, not_whole = _whole(null_where(pc.invert(as_float), words).cast(pa.float64()), target)
        values, bad = pc.coalesce(values, whole), bad | not_whole
    return values, bad | mask_of(unlike)


def _times(array: pa.Array, target: pa.DataType, date_order: str | None) -> Cells:
    """Wall clocks, or instants if the target has a zone."""
    if target.tz is None:
        return parse_datetimes(as_words(array), date_order) if is_text(array.type) else _wall_clock(array, target)
    if is_text(array.type):
        return parse_instants(as_words(array), date_order, target.tz)
    if pa.types.is_timestamp(array.type) and array.type.tz:
        return array.cast(target, safe=False), np.zeros(len(array), dtype=bool)
    values, bad = _wall_clock(array, MICROSECONDS)
    return in_zone(values, target.tz), bad


def _wall_clock(array: pa.Array, target: pa.DataType) -> Cells:
    if not (pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)):
        raise TypeError(f"{array.type} is no {target}")
    if pa.types.is_timestamp(array.type) and array.type.tz:
        array = pc.local_timestamp(array)
    return array.cast(target, safe=False), np.zeros(len(array), dtype=bool)  # not safely: nanoseconds are cut off


def _vectors(array: pa.Array, target: pa.DataType) -> Cells:
    """A vector must have every one of its elements: one that is null or NaN spoils it."""
    if not is_list(array.type) or not is_number(array.type.value_type):
        raise TypeError(f"{array.type} is no {target}")
    whole = mask_of(pc.equal(pc.list_value_length(array), target.list_size))
    flat = pc.list_flatten(array.filter(pa.array(whole))).cast(pa.float32(), safe=False)
    elements = flat.to_numpy(zero_copy_only=False).reshape(-1, target.list_size)
    complete = ~np.isnan(elements).any(axis=1)
    whole[whole] = complete
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(elements[complete].ravel()), type=target)
    return vectors.take(pa.array(np.cumsum(whole) - 1, mask=~whole)), mask_of(array.is_valid()) & ~whole
