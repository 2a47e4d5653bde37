"""Blocks of any size in, record batches of one size out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import UsageError


def stream(schema: pa.Schema, blocks: Iterable[pa.RecordBatch], rows: int, batch_rows: int) -> pa.RecordBatchReader:
    """The first `rows` rows of the blocks as batches of `batch_rows` rows (the last may be shorter), made when read.

    A reader is an iterator of record batches that knows its `schema`; pandas, polars, DuckDB and the Parquet writer
    take it as it is. Holds one block and one batch in memory at a time.
    """
    return pa.RecordBatchReader.from_batches(schema, _recut(schema, blocks, rows, batch_rows))


def _recut(
    schema: pa.Schema, blocks: Iterable[pa.RecordBatch], rows: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    waiting = 0
    for block in blocks:
        block = block.slice(0, min(len(block), rows))
        rows -= len(block)
        held.append(block)
        waiting += len(block)
        if waiting >= batch_rows or not rows:
            merged = _merge(schema, held)
            whole = waiting if not rows else waiting - waiting % batch_rows
            for first in range(0, whole, batch_rows):
                yield merged.slice(first, min(batch_rows, whole - first))
            held, waiting = [merged.slice(whole)], waiting - whole
        if not rows:
            return


def _merge(schema: pa.Schema, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches, schema).combine_chunks()
    return table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], schema)


def whole_number(name: str, value: int, least: int) -> int:
    """`value` as int; raises UsageError unless it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name} must be a whole number of at least {least}", f"it is {value!r}", "correct it")
    return int(value)


def share(name: str, value: float, most: float) -> float:
    """`value` as float; raises UsageError unless it lies in 0..`most`."""
    if not 0 <= value <= most:
        raise UsageError(f"{name} must lie between 0 and {most}", f"it is {value!r}", "choose a share in that range")
    return float(value)


def instant(name: str, value: object) -> np.datetime64:
    """`value` (ISO text, date or datetime without a time zone) to the second; raises UsageError if it is none."""
    try:
        moment = np.datetime64(value, "s")  # type: ignore[call-overload]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name} must be a date or a time", f"it is {value!r}", "write for example 2026-01-01"
                         ) from error
    if np.isnat(moment):
        raise UsageError(f"{name} must be a date or a time", f"it is {value!r}", "write for example 2026-01-01")
    return moment
