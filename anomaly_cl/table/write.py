"""Files that appear whole or not at all, alone or together."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.errors import AnomalyCLError, InputError, UsageError

ROW_GROUP = 131_072
# what is wrong with a name or its rights, and not with a disk
_WRONG_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG,
                errno.ELOOP)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Raises UsageError where the path cannot be written to, InputError where the disk is full or fails, not OSError.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: str | Path, error: OSError) -> AnomalyCLError:
    """A failure to write as an error of a user's."""
    # Arrow puts the cause behind words of its own
    said = f"{path}: {os.strerror(error.errno) if error.errno else error}"
    if error.errno in _WRONG_PLACE:
        return UsageError("files are written to a folder that exists and can be written to", said,
                          "check the name and the rights, or choose another folder")
    return InputError("what is written must fit on the disk", said,
                      "free some space, or choose another disk, and run again")


class Staging:
    """Whole files that wait beside their names until all get them together; what is not published in the end is gone.

    Use it in a with statement.
    """

    def __init__(self) -> None:
        self._waiting: dict[Path, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for partial in self._waiting.values():
            discard(partial)

    def add(self, partial: Path, path: Path) -> None:
        """Let a file wait for its name."""
        self._waiting[path] = partial

    def drop(self, path: Path) -> None:
        """Let none wait for this name."""
        self._waiting.pop(path).unlink()

    def publish(self, *paths: Path) -> None:
        """Give the files of a folder their names, in this order; an older one of a name for which none waits is gone.

        The last gets its name when the others are safe, and meanwhile no file has it: where there is one, the others
        belong to it.
        """
        *others, last = paths
        with writing(last):
            last.unlink(missing_ok=True)
            sync(last.parent)
            for path in others:
                self._name(path)
            sync(last.parent)
            self._name(last)
            sync(last.parent)

    def _name(self, path: Path) -> None:
        if path in self._waiting:
            os.replace(self._waiting[path], path)
            del self._waiting[path]
        else:
            path.unlink(missing_ok=True)


class GroupWriter:
    """Writes tables to a Parquet file of this very name, one or more row groups each; use it in a with statement.

    `told` is the name that failures tell.
    """

    def __init__(self, path: Path, schema: pa.Schema, compression: str, told: Path):
        self.told = told
        with writing(told):
            self._writer = pq.ParquetWriter(path, schema, compression=compression)

    def write(self, table: pa.Table, row_group: int | None = None) -> None:
        with writing(self.told):
            self._writer.write_table(table, row_group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            with writing(self.told):
                self._writer.close()
        else:
            with suppress(OSError):  # a full disk says so a second time; the first is told
                self._writer.close()


class ParquetWriter:
    """Context manager that writes rows beside the final name and renames on success.

    A failure inside the `with` block removes the partial file and leaves whatever had the final name before. The file
    is the same whatever the sizes of the batches written. With `staging` it gets its name together with others. Raises
    UsageError if its folder does not exist or cannot be written to, InputError if the disk is full.
    """

    def __init__(self, path: str | Path, schema: pa.Schema, staging: Staging | None = None):
        self.path = Path(path)
        self.schema = schema
        self.staging = staging
        self.rows_written = 0

    def __enter__(self) -> ParquetWriter:
        self._partial = partial_of(self.path)
        try:
            self._groups = GroupWriter(self._partial, self.schema, "zstd", self.path)
        except BaseException:
            discard(self._partial)
            raise
        self._waiting: list[pa.RecordBatch] = []
        return self

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows whose schema is the writer's."""
        self._waiting += rows.to_batches() if isinstance(rows, pa.Table) else [rows]
        self.rows_written += rows.num_rows
        if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
            table = pa.Table.from_batches(self._waiting, self.schema)
            whole = table.num_rows - table.num_rows % ROW_GROUP
            self._groups.write(table.slice(0, whole), ROW_GROUP)
            self._waiting = table.slice(whole).to_batches()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None:
            self._groups.__exit__(kind, error, trace)
            discard(self._partial)
            return
        try:
            with self._groups:
                if self._waiting:
                    self._groups.write(pa.Table.from_batches(self._waiting, self.schema), ROW_GROUP)
            _name(self._partial, self.path, self.staging)
        except BaseException:
            discard(self._partial)
            raise


def write_text(path: str | Path, text: str, staging: Staging | None = None) -> None:
    """Write text (UTF-8) beside the final name and rename, with `staging` together with others; raises as
    `ParquetWriter` does.
    """
    path = Path(path)
    partial = partial_of(path)
    try:
        with writing(path):
            partial.write_text(text, encoding="utf-8")
        _name(partial, path, staging)
    except BaseException:
        discard(partial)
        raise


def partial_of(path: Path) -> Path:
    """Where this process writes a file before it has its name; raises UsageError if there is no such folder."""
    if not path.parent.is_dir():
        raise UsageError("the folder to write to must exist", f"there is no {path.parent}", "create it")
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def discard(path: Path) -> None:
    """Remove what is not wanted any more; where that cannot be, the next run of the same output does it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(partial: Path, path: Path, staging: Staging | None) -> None:
    """Give a whole file its name, or let it wait for that."""
    with writing(path):
        sync(partial)
        if staging is not None:
            staging.add(partial, path)
            return
        os.replace(partial, path)
        sync(path.parent)
