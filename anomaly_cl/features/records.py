"""Rows of a table as the plain records that history is computed from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import InputError
from anomaly_cl.features.clock import MICROSECONDS_AN_HOUR, clock_of
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.casting import null_nan, plain

LARGEST_AMOUNT = 1e15  # sums are of integers of 128 bits, which hold the squares of tens of millions of these


def prepare_records(
    rows: pa.Table | pa.RecordBatch, schema: Schema, plan: HistoryPlan, first_row: int = 0
) -> pa.Table:
    """The plan's columns of rows that conform to the schema, under generated names: `plan.record_schema`.

    `row` counts from `first_row` on. `micros` are microseconds since 1970 in UTC and `hour` the wall clock, 0 to 24; a
    time without a zone is read as UTC. `key` is the key column's, as int64 or text, or the row number where the schema
    has none. Amounts beyond +-1e15 (infinities too) are put there. Raises InputError if a time is missing, or if the
    schema has no time column.
    """
    time, key = schema.only(Role.TIME), schema.only(Role.KEY)
    if time is None:
        raise InputError("history needs to know when a record happened", "the schema has no column of role time",
                         "give one column the role time")
    if rows.num_rows == 0:
        return plan.record_schema(_keys(_column(rows, key)).type if key else pa.int64()).empty_table()
    instants = _column(rows, time)
    _, in_day, missing = clock_of(instants)
    if missing.any():
        raise InputError(f"every record has a time: {time!r} must not be missing",
                         f"{int(missing.sum())} rows lack it, the first is row {first_row + int(missing.argmax())}",
                         f"leave those rows out, or set 'missing: reject' for {time!r} in the schema")
    numbers = pa.array(np.arange(first_row, first_row + rows.num_rows))
    made = {
        "row": numbers,
        "key": _keys(_column(rows, key)) if key else numbers,
        "micros": _microseconds(instants),
        "hour": pa.array(in_day / MICROSECONDS_AN_HOUR),
    }
    names = plan.record_names
    made |= {names[name]: _column(rows, name).cast(pa.string()) for name in plan.entities + plan.categories}
    made |= {names[name]: _amounts(_column(rows, name)) for name in plan.amounts}
    return pa.table(made).select(plan.record_schema().names).cast(plan.record_schema(made["key"].type))


def numbered(entities: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The different entities of a column, and which of them (rows,) int64 each record has, -1 for none."""
    encoded = entities.combine_chunks().dictionary_encode()
    return encoded.dictionary, pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _column(rows: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    column = rows.column(name)
    return plain(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)


def _microseconds(instants: pa.Array) -> pa.Array:
    """Since 1970 in UTC; what is finer is cut off. Arrow keeps instants in UTC whatever their zone."""
    zone = instants.type.tz if pa.types.is_timestamp(instants.type) else None
    return instants.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())


def _keys(keys: pa.Array) -> pa.Array:
    """Integers stay in the order of numbers; all else is ordered as text."""
    fits = pa.types.is_integer(keys.type) and keys.type != pa.uint64()
    return keys.cast(pa.int64() if fits else pa.string())


def _amounts(values: pa.Array) -> pa.Array:
    values = null_nan(values.cast(pa.float64(), safe=False))
    return pc.min_element_wise(pc.max_element_wise(values, -LARGEST_AMOUNT, skip_nulls=False), LARGEST_AMOUNT,
                               skip_nulls=False)
