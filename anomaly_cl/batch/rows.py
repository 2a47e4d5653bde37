"""Rows of files as a detector's `score_table` takes them, and whole files of records that lie on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.batch.spool import Spool
from anomaly_cl.detectors.side_table import some_of
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.read import Batch, RowStream


class Rows(Protocol):
    """Batches of rows that a detector's `score_table` takes, and the Arrow schema of each."""

    @property
    def arrow_schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class TableRows:
    """Rows of a table, the number (rows,) that each has in the input, and the earlier records that they were made with.
    """

    table: pa.Table
    row_numbers: np.ndarray
    batch_rows: int
    history: pa.Table | None = field(default=None, kw_only=True)

    @property
    def arrow_schema(self) -> pa.Schema:
        return self.table.schema

    def __iter__(self) -> Iterator[Batch]:
        start = 0
        for rows in self.table.to_batches(self.batch_rows):
            yield Batch(rows, self.row_numbers[start:start + rows.num_rows])
            start += rows.num_rows


class Records(NamedTuple):
    """Records that conform to a schema, with the number (rows,) of each in the input, and the earlier ones."""

    rows: pa.Table
    row_numbers: np.ndarray
    history: pa.Table | None


@contextmanager
def read_records(
    stream: RowStream, history: RowStream | None, schema: Schema, keep: Sequence[str] = ()
) -> Iterator[Records]:
    """The records of two streams as tables that lie on disk until the end; those of `stream` with columns to keep.

    Raises InputError if a record of `stream` is in the history too, by its key: it would be its own past.
    """
    names = [column.name for column in schema.required]
    with Spool() as spool:
        rows, numbers = spool.read(stream, list(dict.fromkeys([*names, *keep])))
        earlier = None if history is None else spool.read(history, names)[0]
        if earlier is None or not earlier.num_rows:
            yield Records(rows, numbers, None)
        else:
            _refuse_common(rows, earlier, schema)
            yield Records(rows, numbers, earlier)


def require_some(records: Records, stream: RowStream) -> None:
    """Raises InputError where no row is left to learn from."""
    if not records.rows.num_rows:
        raise InputError("there must be records to learn from",
                         f"of {stream.rows_read:,} rows of {stream.name} none is accepted",
                         "check the filter and the rejected rows")


def with_kept(made: pa.Table, read: Sequence[str], given: pa.Table) -> pa.Table:
    """What was made of given rows, with those of their columns that were not read for it.

    Raises UsageError for a column that is named like one of those made.
    """
    for name in [name for name in given.column_names if name not in read]:
        if name in made.column_names:
            raise UsageError("columns to keep are named otherwise than what is made of the records",
                             f"both have {name!r}", "rename the column, or do not keep it")
        made = made.append_column(name, given.column(name))
    return made


def _refuse_common(rows: pa.Table, history: pa.Table, schema: Schema) -> None:
    if (key := schema.only(Role.KEY)) is None:
        return
    keys = pc.drop_null(history.column(key))
    both = keys.filter(pc.is_in(keys, value_set=pc.drop_null(rows.column(key))))
    if len(both):
        raise InputError("a record is either in the input or in its history",
                         f"{len(both):,} of the history are in both: "
                         f"{some_of(both.combine_chunks(), schema[key].private)}",
                         "leave them out of the history, for example with --history-where")
