"""Arrow types as Spark has them, and rows from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from anomaly_cl.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

_NARROW = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.decimal128(20, 0),
           pa.float16(): pa.float32(), pa.null(): pa.string(), pa.date64(): pa.date32()}


def on_spark(schema: pa.Schema) -> pa.Schema:
    """The schema in types that Spark has: unsigned numbers wider, times in microseconds, lists of any length."""
    return pa.schema([pa.field(field.name, _type(field.type)) for field in schema])


def spark_schema(schema: pa.Schema) -> StructType:
    """The schema as Spark's own; raises UsageError for a type that it lacks."""
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_schema

    try:
        return from_arrow_schema(schema)
    except PySparkException as error:
        raise UsageError("columns of a file scored on Spark are of types that it has", str(error),
                         "do not --keep the column, or use --engine local") from error


def filled(columns: Mapping[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """A batch of a schema: columns cast to its types where they are others, null where they are not given."""
    n_rows = len(next(iter(columns.values())))
    arrays = [columns[field.name] if field.name in columns else pa.nulls(n_rows, field.type) for field in schema]
    return pa.RecordBatch.from_arrays(
        [array if array.type == field.type else _cast(array, field.type)
         for array, field in zip(arrays, schema, strict=True)], schema=schema)


def as_types(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same of rows."""
    return filled(dict(zip(rows.schema.names, rows.columns, strict=True)), schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column.cast(kind, safe=not pa.types.is_timestamp(kind))


def _type(kind: pa.DataType) -> pa.DataType:
    if kind in _NARROW:
        return _NARROW[kind]
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if pa.types.is_time(kind):
        return pa.string()
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return pa.list_(_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _type(field.type)) for field in kind])
    return kind
