"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.errors import UsageError

ROW_GROUP = 131_072


class ParquetWriter:
    """Context manager that writes rows beside the final name and renames on success.

    A failure inside the `with` block removes the partial file and leaves whatever had the final name before. The file
    is the same whatever the sizes of the batches written. Raises UsageError if its folder does not exist.
    """

    def __init__(self, path: str | Path, schema: pa.Schema):
        self.path = Path(path)
        self.schema = schema
        self.rows_written = 0

    def __enter__(self) -> ParquetWriter:
        if not self.path.parent.is_dir():
            raise UsageError("the folder to write to must exist", f"there is no {self.path.parent}", "create it")
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._writer = pq.ParquetWriter(self._partial, self.schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        return self

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows whose schema is the writer's."""
        self._waiting += rows.to_batches() if isinstance(rows, pa.Table) else [rows]
        self.rows_written += rows.num_rows
        if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
            table = pa.Table.from_batches(self._waiting, self.schema)
            whole = table.num_rows - table.num_rows % ROW_GROUP
            self._writer.write_table(table.slice(0, whole), ROW_GROUP)
            self._waiting = table.slice(whole).to_batches()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            if kind is None and self._waiting:
                self._writer.write_table(pa.Table.from_batches(self._waiting, self.schema), ROW_GROUP)
            self._writer.close()
            if kind is None:
                _sync(self._partial)
                os.replace(self._partial, self.path)
                _sync(self.path.parent)
        finally:
            self._partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write text (UTF-8) beside the final name and rename. Raises UsageError if its folder does not exist."""
    path = Path(path)
    if not path.parent.is_dir():
        raise UsageError("the folder to write to must exist", f"there is no {path.parent}", "create it")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
