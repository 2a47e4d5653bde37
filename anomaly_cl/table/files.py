"""Files: which ones a path, folder or pattern means, and what kind each is by its content."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.errors import InputError
from anomaly_cl.table.delimited import open_delimited
from anomaly_cl.table.integrity import checked, readable_names
from anomaly_cl.table.raw import Part, Raw, reading

_TEXT = (".csv", ".tsv", ".txt")
_ARROW = (".feather", ".arrow", ".ipc", ".arrows")
_EXTENSIONS = (".parquet", ".pq", *_ARROW, *_TEXT, *(text + packed for text in _TEXT for packed in (".gz", ".zst")))
_STREAM = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class ParquetFile:
    file: str
    columns: pa.Schema

    def read(self, batch_rows: int) -> Iterator[Raw]:
        # what Arrow buffers ahead it keeps until the file is closed
        with reading(self.file, "Parquet"), pq.ParquetFile(self.file, buffer_size=1 << 16, pre_buffer=False) as opened:
            yield from numbered(checked(opened.iter_batches(batch_size=batch_rows)), batch_rows)


@dataclass(frozen=True)
class ArrowFile:
    """Arrow IPC, either as a file (Feather) or as a stream."""

    file: str
    columns: pa.Schema
    is_stream: bool

    def read(self, batch_rows: int) -> Iterator[Raw]:
        with reading(self.file, "Arrow IPC"), pa.memory_map(self.file) as source:
            if self.is_stream:
                with pa.ipc.open_stream(source) as opened:
                    yield from numbered(checked(opened), batch_rows)
            else:
                with pa.ipc.open_file(source) as opened:
                    batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
                    yield from numbered(checked(batches), batch_rows)


def numbered(batches: Iterator[pa.RecordBatch], batch_rows: int) -> Iterator[Raw]:
    """Batches cut to at most `batch_rows` rows, with the numbers of their rows."""
    position = 0
    for batch in batches:
        for start in range(0, batch.num_rows, batch_rows):
            rows = batch.slice(start, batch_rows)
            yield Raw(rows, np.arange(position, position + rows.num_rows), [])
            position += rows.num_rows


def expand(path: str | Path) -> list[str]:
    """The files that a path, a folder (searched to its depth) or a pattern means, in order of their names."""
    path = str(path)
    if Path(path).is_dir():
        inside = (p.relative_to(path) for p in Path(path).rglob("*") if p.is_file() and _is_data(p.name))
        found = sorted(str(Path(path, p)) for p in inside if not any(part[0] in "._" for part in p.parts))
        if not found:
            raise InputError(f"folder {path} must hold data files", "none found",
                             f"its files must end in one of {', '.join(_EXTENSIONS)}")
        return found
    if Path(path).exists():
        return [path]
    found = sorted(match for match in glob.glob(path, recursive=True) if Path(match).is_file())
    if not found:
        raise InputError(f"input {path} must exist", "there is no such file or folder", "correct the path")
    return found


def open_file(file: str) -> Part:
    """The file by its content. Raises InputError when it is empty, or of another kind than its name says."""
    with reading(file, "a file"), open(file, "rb") as opened:
        magic = opened.read(8)
    name = file.lower()
    if not magic:
        raise InputError(f"{file} must have rows", "it is empty", "give a file that has rows")
    is_parquet, is_stream = magic.startswith(b"PAR1"), magic.startswith(_STREAM)
    is_arrow = is_stream or magic.startswith(b"ARROW1")
    claimed = "Parquet" if name.endswith((".parquet", ".pq")) else "Arrow IPC" if name.endswith(_ARROW) else (
        "delimited text" if _is_data(name) else None)
    content = "Parquet" if is_parquet else "Arrow IPC" if is_arrow else "delimited text"
    if claimed and claimed != content:
        raise InputError(f"{file} must be {claimed}, as its name says", f"it begins with {magic!r}",
                         "rename it, or give the file that was meant")
    if is_parquet:
        with reading(file, "Parquet"):
            return ParquetFile(file, readable_names(pq.read_schema(file)))
    if is_arrow:
        with reading(file, "Arrow IPC"), pa.memory_map(file) as source:
            opener = pa.ipc.open_stream if is_stream else pa.ipc.open_file
            return ArrowFile(file, readable_names(opener(source).schema), is_stream)
    return open_delimited(file)


def _is_data(name: str) -> bool:
    return name.lower().endswith(_EXTENSIONS)
