"""Any input as a stream of typed record batches, with every record accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.casting import cast_each, plain
from anomaly_cl.table.conform import Rejected, conform, require_columns, without_private
from anomaly_cl.table.filter import RowFilter
from anomaly_cl.table.infer import infer_schema
from anomaly_cl.table.raw import Part, Raw, no_rows
from anomaly_cl.table.sources import parts_of

BATCH_ROWS = 65_536
SAMPLE_ROWS = 200_000
_BATCH_CELLS = 8_000_000  # keeps a batch of a wide table near 64 MB
_SAMPLE_CELLS = 20_000_000
OnReject = Callable[[list[Rejected]], None]


@dataclass(frozen=True)
class Batch:
    """Accepted rows, and the 0-based position (int64) that each has in the whole input."""

    rows: pa.RecordBatch
    row_numbers: np.ndarray


class RowStream:
    """The accepted rows of an input, in order; it can be iterated once.

    Attributes: `name` (short text for people), `schema`, `arrow_schema` (of every batch), and the counts so far, of
    which always rows_read == rows_filtered_out + rows_rejected + rows_accepted.
    """

    def __init__(self, name: str, schema: Schema, arrow_schema: pa.Schema, raws: Iterable[tuple[str, Raw]],
                 keep: RowFilter | None, on_reject: OnReject | None):
        self.name, self.schema, self.arrow_schema = name, schema, arrow_schema
        self.rows_filtered_out = self.rows_rejected = self.rows_accepted = 0
        self._raws: Iterable[tuple[str, Raw]] | None = raws
        self._keep = keep
        self._on_reject = on_reject

    @property
    def rows_read(self) -> int:
        return self.rows_filtered_out + self.rows_rejected + self.rows_accepted

    @property
    def counts(self) -> dict[str, int]:
        """The counts so far, as plain data."""
        return {"read": self.rows_read, "filtered_out": self.rows_filtered_out, "accepted": self.rows_accepted,
                "rejected": self.rows_rejected}

    def __iter__(self) -> Iterator[Batch]:
        if self._raws is None:
            raise UsageError("a stream of rows can be iterated once", f"{self.name} was already",
                             "open it again with open_rows")
        raws, self._raws = self._raws, None
        return self._batches(raws)

    def _batches(self, raws: Iterable[tuple[str, Raw]]) -> Iterator[Batch]:
        with self._keep or nullcontext():
            for file, raw in raws:
                rows, numbers, rejected = conform(raw.rows, self.schema, raw.numbers, file=file)
                rows = _align(rows, self.arrow_schema)
                rejected = sorted(without_private(raw.broken + rejected, self.schema), key=lambda row: row.row_number)
                accepted = rows.num_rows
                if self._keep and accepted:
                    keeps = self._keep.keeps(rows)
                    rows, numbers = rows.filter(pa.array(keeps)), numbers[keeps]
                self.rows_filtered_out += accepted - rows.num_rows
                self.rows_rejected += len(rejected)
                self.rows_accepted += rows.num_rows
                if rejected and self._on_reject:
                    self._on_reject(rejected)
                if rows.num_rows:
                    yield Batch(rows, numbers)


def open_rows(
    source: Any, schema: Schema | None = None, *, where: str | None = None, batch_rows: int = BATCH_ROWS,
    on_reject: OnReject | None = None,
) -> RowStream:
    """Open an input as a stream of accepted rows; without a schema, one is inferred from the first 200,000 rows.

    Args:
        source: a path, folder or pattern of CSV, Parquet or Arrow files, a list of them, a pandas DataFrame, a pyarrow
            Table, RecordBatch or RecordBatchReader, an object with the Arrow PyCapsule interface (polars), or a 2-D
            NumPy array (columns x0, x1, ...).
        schema: what each column is; see `conform` for which rows it rejects.
        where: a DuckDB condition on the accepted rows; those for which it is false or NULL are filtered out.
        batch_rows: the most rows that a batch has (wide tables have smaller ones).
        on_reject: called with the rejected rows of each batch that has some, in order of their numbers.

    Raises:
        InputError: the input is absent, empty, of another kind than its name says, or lacks a required column.
        UsageError: `where` or `source` cannot be meant.
    """
    if batch_rows < 1:
        raise UsageError("batch_rows must be at least 1", f"it is {batch_rows}", "give a larger number")
    name, parts = parts_of(source)
    n_columns = max(1, len(parts[0].columns))
    for part in parts:
        require_columns(part.columns.names, Schema(()), part.file)
    raws = _all_raws(parts, rows_at_once(n_columns, batch_rows))
    sampled: list[tuple[str, Raw]] = []
    wanted = min(SAMPLE_ROWS, max(1, _SAMPLE_CELLS // n_columns)) if schema is None else 1
    n_rows = 0
    for file, raw in raws:
        sampled.append((file, raw))
        n_rows += raw.rows.num_rows + (len(raw.broken) if schema else 0)
        if n_rows >= wanted:
            break
    if not n_rows:
        raise InputError(f"{name} must have rows", "it has a header at most" if schema is None else "it is empty",
                         "give an input that has rows")
    schema = schema or infer_schema(_sample(parts[0], sampled, wanted))
    arrow_schema = _arrow_schema(parts, schema)
    keep = RowFilter(where, arrow_schema, schema.only(Role.TIME)) if where is not None else None
    return RowStream(name, schema, arrow_schema, chain(sampled, raws), keep, on_reject)


def rows_at_once(n_columns: int, batch_rows: int = BATCH_ROWS) -> int:
    """Rows of a batch: fewer than `batch_rows` of a wide table."""
    return max(1, min(batch_rows, _BATCH_CELLS // max(1, n_columns)))


def read_table(
    source: Any, schema: Schema | None = None, *, where: str | None = None, limit: int | None = None,
    batch_rows: int = BATCH_ROWS, on_reject: OnReject | None = None,
) -> pa.Table:
    """The accepted rows of an input as one table, at most `limit` of them; see `open_rows`."""
    stream = open_rows(source, schema, where=where, batch_rows=batch_rows, on_reject=on_reject)
    batches: list[pa.RecordBatch] = []
    left = limit
    for batch in stream:
        batches.append(batch.rows.slice(0, left))
        if left is not None:
            left -= batches[-1].num_rows
            if left <= 0:
                break
    return pa.Table.from_batches(batches, stream.arrow_schema)


def _all_raws(parts: list[Part], batch_rows: int) -> Iterator[tuple[str, Raw]]:
    """The records of all parts, numbered through; each with the file it is from."""
    before = 0
    for part in parts:
        n_rows = 0
        for raw in part.read(batch_rows):
            n_rows += raw.rows.num_rows + len(raw.broken)
            yield part.file, Raw(raw.rows, raw.numbers + before, [
                replace(row, row_number=row.row_number + before) for row in raw.broken])
        before += n_rows


def _sample(first: Part, sampled: list[tuple[str, Raw]], most: int) -> pa.Table:
    """The sampled rows with the columns of the first part."""
    columns, tables = first.columns, []
    for _, raw in sampled:
        given = set(raw.rows.schema.names)
        arrays = {field.name: plain(raw.rows.column(field.name)) for field in columns if field.name in given}
        # Binary cells in a text column are bytes that are no UTF-8, which tell nothing of its kind.
        arrays |= {name: cast_each(array, pa.string())[0] for name, array in arrays.items()
                   if array.type == pa.binary()
                   and pa.types.is_string(plain(pa.nulls(0, columns.field(name).type)).type)}
        tables.append(pa.Table.from_pydict(arrays))
    try:
        return pa.concat_tables(tables, promote_options="permissive").slice(0, most)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError("files read together must agree on their columns", str(error).splitlines()[0],
                         "give a schema, or read them apart") from error


def _arrow_schema(parts: list[Part], schema: Schema) -> pa.Schema:
    """The columns of every batch: the schema's, as far as any part has them, then the others.

    An unknown column of which two files disagree is read as text.
    """
    fields: dict[str, pa.Field] = {}
    for part in parts:
        for field in conform(no_rows(part.columns), schema, file=part.file)[0].schema:
            known = fields.setdefault(field.name, pa.field(field.name, field.type))
            if known.type != field.type:
                fields[field.name] = pa.field(field.name, pa.string())
    in_order = [name for name in schema.names if name in fields]
    return pa.schema([fields.pop(name) for name in in_order] + list(fields.values()))


def _align(rows: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    """The same rows with exactly the target's columns, null where the file lacks one or a spare one's cell is bad."""
    if rows.schema.equals(target):
        return rows
    given = set(rows.schema.names)
    columns = [
        _spare(rows.column(field.name), field.type) if field.name in given else pa.nulls(rows.num_rows, field.type)
        for field in target
    ]
    return pa.RecordBatch.from_arrays(columns, schema=target)


def _spare(array: pa.Array, target: pa.DataType) -> pa.Array:
    if array.type == target:
        return array
    try:
        return cast_each(plain(array), target)[0]
    except pa.ArrowNotImplementedError:
        return pa.nulls(len(array), target)
