"""Digests of rows, by which the same rows are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DIGEST_BYTES = 16


def digest_of_rows(rows: pa.RecordBatch, names: Sequence[str]) -> bytes:
    """Digest of the cells of these columns, their types and their order; what lies in memory under a null is no part.
    """
    hasher = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name in names:
        column = rows.column(name)
        hasher.update(f"{name} {column.type} {len(column)}\n".encode())
        _feed(hasher, column)
    return hasher.digest()


def _feed(hasher: Any, column: pa.Array) -> None:
    """Bytes that only equal cells have: which are null, then the others as Arrow sends them."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        hasher.update(np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes())
        column = column.drop_null()
    if pa.types.is_nested(column.type):
        if not pa.types.is_struct(column.type):
            hasher.update(pc.list_value_length(column).to_numpy().tobytes())
        for part in column.flatten() if pa.types.is_struct(column.type) else [column.flatten()]:
            _feed(hasher, part)
        return
    if pa.types.is_boolean(column.type):  # eight share a byte, with those of rows before or after
        column = column.cast(pa.uint8())
    hasher.update(pa.RecordBatch.from_arrays([column], [""]).serialize())
