"""Casting Arrow arrays of which some cells may not fit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What pandas reads as missing in a number or date column.
MISSING_WORDS = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
                 "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")


def cast_each(array: pa.Array, target: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """Cast what can be cast: the values, null where a cell could not be, and a mask of those cells.

    An array without bad cells is cast as a whole; bad cells are found by halving.

    >>> values, bad = cast_each(pa.array(["1", "x", None]), pa.int64())
    >>> values.to_pylist(), bad.tolist()
    ([1, None, None], [False, True, False])
    """
    try:
        return array.cast(target), np.zeros(len(array), dtype=bool)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, target), np.ones(1, dtype=bool)
    half = len(array) // 2
    (left, left_bad), (right, right_bad) = cast_each(array[:half], target), cast_each(array[half:], target)
    return pa.concat_arrays([left, right]), np.concatenate([left_bad, right_bad])


def plain(array: pa.Array) -> pa.Array:
    """The same values without dictionary, extension or run-end encoding, and no views, which Arrow cannot filter."""
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if pa.types.is_dictionary(array.type):
        return plain(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.run_end_decode(array))
    kind = _without_views(array.type)
    return array if kind == array.type else array.cast(kind)


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_views(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_without_views(kind.value_type))
    return kind


def as_words(text: pa.Array) -> pa.Array:
    """Text cells trimmed, null where they are one of MISSING_WORDS; broken bytes become a cell that is no number."""
    if not pa.types.is_string(text.type):
        decoded, broken = cast_each(text, pa.string())
        text = pc.if_else(pa.array(broken), "\ufffd", decoded) if broken.any() else decoded
    text = pc.utf8_trim_whitespace(text)
    return null_where(pc.is_in(text, pa.array(MISSING_WORDS)), text)


def null_nan(array: pa.Array) -> pa.Array:
    """Null in place of NaN."""
    return null_where(pc.is_nan(array), array) if pa.types.is_floating(array.type) else array


def null_where(flags: pa.Array, array: pa.Array) -> pa.Array:
    """Null in place of the flagged cells."""
    return pc.if_else(flags, pa.scalar(None, array.type), array) if pc.any(flags).as_py() else array


def mask_of(flags: pa.Array) -> np.ndarray:
    """A boolean Arrow array as a NumPy mask of its own, null being False."""
    return np.array(pc.fill_null(flags, False), dtype=bool)


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this plain type may be text; binary counts, its bytes are read as UTF-8."""
    return pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
