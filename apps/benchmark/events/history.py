"""History columns of all transactions, computed once: a record's never change by later records."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import BATCH_ROWS, DuckDBEngine, Rows, SqlEngine
from anomaly_cl.schema import Column, Kind, Role, Schema
from apps.benchmark.events.memory import peak_megabytes
from apps.benchmark.events.protocol import AMOUNT, CUSTOMER, KEY, RECORD, TERMINAL, TIME, Names, read_transactions

PLAN = HistoryPlan((CUSTOMER, TERMINAL), (AMOUNT,))
SCHEMA = Schema((
    Column(KEY, Kind.CATEGORICAL, "int64", Role.KEY), Column(TIME, Kind.DATETIME, "timestamp[us]", Role.TIME),
    Column(CUSTOMER, Kind.CATEGORICAL, "int64", Role.ENTITY), Column(TERMINAL, Kind.CATEGORICAL, "int64", Role.ENTITY),
    Column(AMOUNT, Kind.NUMERIC, "double", Role.FEATURE),
))
FILE = "history.arrow"


@dataclass(frozen=True)
class HistoryCost:
    """What the history columns of all transactions take in a process of their own; `load` is the machine's, before."""

    rows: int
    columns: int
    seconds: float
    peak_megabytes: float
    load: float

    def in_words(self) -> str:
        return (f"history: {self.columns} columns of {self.rows:,} records in {self.seconds:.1f} s, peak "
                f"{self.peak_megabytes:,.0f} MB; load average before it {self.load:.1f}")


def as_records(transactions: pd.DataFrame, first_row: int = 0) -> pa.Table:
    """The records that history is computed from."""
    return prepare_records(pa.Table.from_pandas(transactions[RECORD], preserve_index=False), SCHEMA, PLAN, first_row)


def measure_history(data: Path, names: Names, file: Path | None = None) -> HistoryCost:
    """Compute every history column of a file's transactions, read included, and write them if a file is named."""
    load, start = os.getloadavg()[0], time.perf_counter()
    batches = DuckDBEngine().run(PLAN.sql("records"), {"records": as_records(read_transactions(data, names))})
    rows = _write(batches, file) if file else sum(batch.num_rows for batch in batches)
    return HistoryCost(rows, len(PLAN.columns), time.perf_counter() - start, peak_megabytes(), load)


def read_history(file: Path, rows: slice) -> pa.Table:
    """These rows of the columns that were written, under the names of the SQL; only what is used is read."""
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all().slice(rows.start, rows.stop - rows.start)


class Remembered:
    """An engine that computes histories once: results are kept in a folder by what the query and its tables are.

    anew: compute also what is kept, for the time that it takes.
    """

    def __init__(self, folder: Path, *, anew: bool = False, engine: SqlEngine | None = None):
        self.folder, self.anew, self.engine = folder, anew, engine or DuckDBEngine()

    def run(self, sql: str, tables: Mapping[str, Rows]) -> pa.RecordBatchReader:
        if "percentile(" not in sql:  # of the rest there are as many results as models, and they take seconds
            return self.engine.run(sql, tables)
        digest = hashlib.sha256(sql.encode())
        for name, rows in tables.items():
            digest.update(name.encode() + _bytes(rows))
        file = self.folder / f"{digest.hexdigest()[:24]}.arrow"
        if self.anew or not file.exists():
            _write(self.engine.run(sql, tables), file)
        return pa.ipc.open_file(pa.memory_map(str(file))).read_all().to_reader(BATCH_ROWS)


def _write(batches: pa.RecordBatchReader, file: Path) -> int:
    """Write the batches at once or not at all; the number of rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part, rows = file.with_suffix(f".{os.getpid()}.part"), 0
    with pa.ipc.new_file(str(part), batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    os.replace(part, file)
    return rows


def _bytes(rows: Rows) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    return sink.getvalue().to_pybytes()
