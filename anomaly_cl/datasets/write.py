"""Simulated rows as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pa_csv

from anomaly_cl.datasets.sensors import simulate_sensors
from anomaly_cl.datasets.transactions import simulate_transactions
from anomaly_cl.errors import UsageError
from anomaly_cl.table.write import ParquetWriter, discard, partial_of, sync, writing

_SUBJECTS: dict[str, Callable[[int, int], pa.RecordBatchReader]] = {
    "transactions": simulate_transactions,
    "sensors": simulate_sensors,
}


def write_simulated(
    subject: str, path: str | Path, rows: int, seed: int, done: Callable[[int], object] = lambda rows: None
) -> None:
    """Write `rows` rows of "transactions" or "sensors" to a .csv or .parquet file, which appears only when complete.

    `done` is told the number of rows written so far. Memory stays bounded. Raises UsageError for another subject or
    ending, a folder that does not exist, or numbers that cannot be meant.
    """
    if subject not in _SUBJECTS:
        raise UsageError(f"what is simulated is one of {list(_SUBJECTS)}", f"it is {subject!r}", "choose one of them")
    write_rows(_SUBJECTS[subject](rows, seed), path, done)


def write_rows(
    reader: pa.RecordBatchReader, path: str | Path, done: Callable[[int], object] = lambda rows: None,
    quoted: bool = False,
) -> None:
    """Write batches to a .csv or .parquet file, which appears only when complete; see `write_simulated`.

    quoted: whether text in CSV is put in quotes, which simulated text does not need.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError("simulated rows are written as .csv or .parquet", f"the file is {path.name!r}", "rename it")
    schema, written = reader.schema, 0
    with (ParquetWriter(path, schema) if path.suffix == ".parquet" else _csv(path, schema, quoted)) as file:
        for batch in reader:
            file.write(batch)
            written += batch.num_rows
            done(written)


@contextmanager
def _csv(path: Path, schema: pa.Schema, quoted: bool) -> Iterator[pa_csv.CSVWriter]:
    partial = partial_of(path)
    style: Literal["needed", "none"] = "needed" if quoted else "none"
    options = pa_csv.WriteOptions(quoting_style=style, quoting_header=style)
    try:
        with writing(path):
            with pa_csv.CSVWriter(partial, schema, write_options=options) as file:
                yield file
            sync(partial)
            os.replace(partial, path)
            sync(path.parent)
    finally:
        discard(partial)
