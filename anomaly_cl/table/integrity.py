"""Whether batches read from files are what they say: a damaged file must not lead a computation astray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from anomaly_cl.table.casting import plain

# The same buffers, of which less is demanded: text may be any bytes, and dates any number of milliseconds.
_AS_STORED = {
    pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view(),
    pa.date64(): pa.int64(),
}


def readable_names(columns: pa.Schema) -> pa.Schema:
    """The same; UnicodeDecodeError where a name is no UTF-8, also one within a nested type."""
    for field in columns:
        _read_names(field)
    return columns


def checked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, after checking that lengths, offsets and indices stay within their buffers.

    A text column is binary in a batch where some of its bytes are no UTF-8. Raises pa.ArrowInvalid for all else that is
    wrong: what Arrow computes of it may end the process
    (https://arrow.apache.org/docs/cpp/api/array.html, ValidateFull).
    """
    for batch in batches:
        stored = [_as_stored(column) for column in batch.columns]
        pa.RecordBatch.from_arrays(stored, names=[str(i) for i in range(len(stored))]).validate(full=True)
        columns = [_text_or_bytes(column) for column in batch.columns]
        same = all(new is old for new, old in zip(columns, batch.columns, strict=True))
        yield batch if same else pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _read_names(field: pa.Field) -> None:
    _ = field.name
    for i in range(field.type.num_fields):
        _read_names(field.type.field(i))


def _as_stored(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, _as_stored(array.dictionary), safe=False)
    return array.view(_AS_STORED[array.type]) if array.type in _AS_STORED else array


def _text_or_bytes(array: pa.Array) -> pa.Array:
    values = array.dictionary if pa.types.is_dictionary(array.type) else array
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
            or pa.types.is_string_view(values.type)):
        return array
    try:
        values.validate(full=True)
        return array
    except pa.ArrowInvalid:
        return plain(array).view(pa.binary())
