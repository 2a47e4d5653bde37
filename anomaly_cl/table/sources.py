"""Whatever a caller gives as input, as a list of parts to be read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.files import expand, numbered, open_file
from anomaly_cl.table.raw import Part, Raw


@dataclass(frozen=True)
class TablePart:
    """An Arrow table, or a reader of one, which can be read once."""

    table: pa.Table | pa.RecordBatchReader
    file: str = ""

    @property
    def columns(self) -> pa.Schema:
        return self.table.schema

    def read(self, batch_rows: int) -> Iterator[Raw]:
        batches = self.table.to_batches(batch_rows) if isinstance(self.table, pa.Table) else self.table
        return numbered(iter(batches), batch_rows)


@dataclass(frozen=True)
class ArrayPart:
    """A 2-D NumPy array of numbers; its columns are x0, x1, ..."""

    array: np.ndarray
    file: str = ""

    @cached_property
    def columns(self) -> pa.Schema:
        kind = pa.from_numpy_dtype(self.array.dtype)
        return pa.schema([(f"x{i}", kind) for i in range(self.array.shape[1])])

    def read(self, batch_rows: int) -> Iterator[Raw]:
        names = self.columns.names
        batches = (
            pa.RecordBatch.from_arrays([pa.array(np.ascontiguousarray(column)) for column in part.T], names)
            for part in (self.array[start:start + batch_rows] for start in range(0, len(self.array), batch_rows))
        )
        return numbered(batches, batch_rows)


def parts_of(source: Any) -> tuple[str, list[Part]]:
    """A short name of the input, and its parts.

    `source` is a path, folder or pattern, a list of them, a pandas DataFrame, a pyarrow Table, RecordBatch or
    RecordBatchReader, any object with the Arrow PyCapsule interface (polars, DuckDB), or a 2-D NumPy array.
    """
    if isinstance(source, (str, Path)):
        files = expand(source)
        name = Path(files[0]).name if len(files) == 1 else f"{len(files)} files of {source}"
        return name, [open_file(file) for file in files]
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, Path)) for each in source):
        files = [file for each in source for file in expand(each)]
        return Path(files[0]).name if len(files) == 1 else f"{len(files)} files", [open_file(file) for file in files]
    name, part = _in_memory(source)
    if not part.columns.names:
        raise InputError("a table must have columns", f"the {name} has none", "give a table with columns")
    return name, [part]


def _in_memory(source: Any) -> tuple[str, Part]:
    if isinstance(source, pd.DataFrame):
        return "pandas DataFrame", TablePart(_from_pandas(source))
    if isinstance(source, np.ndarray):
        return "NumPy array", _from_numpy(source)
    if isinstance(source, (pa.Table, pa.RecordBatchReader)):
        return f"pyarrow {type(source).__name__}", TablePart(source)
    name = f"{type(source).__module__.split('.')[0]} {type(source).__name__}"
    if hasattr(source, "__arrow_c_stream__"):
        return name, TablePart(pa.RecordBatchReader.from_stream(source))
    if hasattr(source, "__arrow_c_array__"):
        return name, TablePart(pa.Table.from_batches([pa.record_batch(source)]))
    raise UsageError("input must be a path, a table or a 2-D array", f"it is a {name}",
                     "give a file, a DataFrame, an Arrow table or a NumPy array")


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Columns of mixed objects become text, so that their bad cells can be named; the index is left out."""
    columns = [_from_series(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return pa.Table.from_arrays(columns, names=[_as_text(name) for name in frame.columns])


def _from_series(column: pd.Series) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        return pa.array([None if _is_missing(value) else _as_text(value) for value in column], pa.string())


def _is_missing(value: Any) -> bool:
    try:
        return bool(pd.isna(value))
    except (ValueError, ArithmeticError):  # a list; a decimal that signals when it is compared
        return False


def _as_text(value: object) -> str:
    """A value as text; half of a surrogate pair, which no encoding has, is written \\ud83d."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _from_numpy(array: np.ndarray) -> Part:
    if array.ndim != 2:
        raise UsageError("an array must have two dimensions, rows and columns", f"its shape is {array.shape}",
                         "reshape it, for example with array.reshape(-1, 1)")
    if array.dtype.kind in "biuf":
        return ArrayPart(array)
    frame = pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
    return TablePart(_from_pandas(frame))


