"""Where SQL over Arrow tables runs: in this process by DuckDB, or on a cluster by Spark; the text is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import duckdb
import pyarrow as pa

from anomaly_cl.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Rows: TypeAlias = pa.Table | pa.RecordBatch | pa.RecordBatchReader
BATCH_ROWS = 65_536

# What the engines lack or call differently. Between `exact` and `inexact`, sums do not depend on the order of adding:
# DuckDB adds windows up as trees, whose shape depends on all rows; its numbers become integers there, of 128 bits, in
# units of 2**-50 (2**-80 for the part of a number behind the point). Spark adds in the order of the window.
UNIT, PART_UNIT = 2.0**-50, 2.0**-80
DUCKDB_FUNCTIONS = (
    "CREATE TEMP MACRO percentile(x, p) AS quantile_cont(x, p)",
    f"CREATE TEMP MACRO exact(x) AS CAST(x * {1 / UNIT!r} AS HUGEINT)",
    f"CREATE TEMP MACRO inexact(x) AS CAST(x AS DOUBLE) * {UNIT!r}",
    "CREATE TEMP MACRO exact_whole(x) AS CAST(x - x % 1 AS HUGEINT)",
    "CREATE TEMP MACRO inexact_whole(x) AS CAST(x AS DOUBLE)",
    f"CREATE TEMP MACRO exact_part(x) AS CAST(x % 1 * {1 / PART_UNIT!r} AS HUGEINT)",
    f"CREATE TEMP MACRO inexact_part(x) AS CAST(x AS DOUBLE) * {PART_UNIT!r}",
)
# The bar would be written among the results of a command.
DUCKDB_QUIET = ("SET enable_progress_bar = false",)
# After the temporary folder is known: the lock would refuse it.
DUCKDB_LOCKS = ("SET enable_external_access = false", "SET lock_configuration = true")
SPARK_FUNCTIONS = tuple(
    f"CREATE OR REPLACE TEMPORARY FUNCTION {name}(x DOUBLE) RETURNS DOUBLE RETURN {value}" for name, value in {
        "exact": "x", "inexact": "x", "exact_whole": "x - x % 1", "inexact_whole": "x", "exact_part": "x % 1",
        "inexact_part": "x",
    }.items()
)


class SqlEngine(Protocol):
    """Runs one SELECT over named Arrow tables."""

    def run(self, sql: str, tables: Mapping[str, Rows]) -> pa.RecordBatchReader:
        """The rows of the query as a stream of batches. Names of tables are plain identifiers chosen by the code."""


@dataclass(frozen=True)
class DuckDBEngine:
    """Runs SQL in this process, each query in a database of its own that reaches neither files nor the network.

    What does not fit `memory_limit` is spilled into a temporary folder, made below `temp_folder` (None: where the
    system puts such folders) and removed when the stream has been read, closed or dropped.
    """

    threads: int = 2
    memory_limit: str = "1GB"
    temp_folder: Path | None = None

    def run(self, sql: str, tables: Mapping[str, Rows]) -> pa.RecordBatchReader:
        """The rows of the query, computed while they are read; raises UsageError where DuckDB refuses the query."""
        batches = self._batches(sql, tables)
        return pa.RecordBatchReader.from_batches(next(batches), batches)

    def _batches(self, sql: str, tables: Mapping[str, Rows]) -> Iterator[Any]:
        """The schema, then the batches."""
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="anomaly_cl-", dir=self.temp_folder))
            connection = stack.enter_context(duckdb.connect(":memory:", config={
                "threads": self.threads, "memory_limit": self.memory_limit, "temp_directory": folder,
                "autoload_known_extensions": False, "autoinstall_known_extensions": False,
                "python_enable_replacements": False, "preserve_insertion_order": False,
            }))
            for statement in (*DUCKDB_FUNCTIONS, *DUCKDB_QUIET, *DUCKDB_LOCKS):
                connection.execute(statement)
            for name, rows in tables.items():
                _add(connection, name, rows)
            try:
                reader = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
                yield reader.schema
                yield from reader
            except (duckdb.Error, OSError) as error:  # as OSError come those that Arrow's stream hands on
                raise UsageError("the query must be one that DuckDB can run", str(error).splitlines()[0],
                                 "correct the query, or raise the engine's memory_limit") from error


def _add(connection: duckdb.DuckDBPyConnection, name: str, rows: Rows) -> None:
    if isinstance(rows, pa.RecordBatchReader):  # it can be read once only, a query may read twice
        connection.register("stream", rows)
        connection.execute(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM stream')
        connection.unregister("stream")
    else:
        connection.register(name, pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)


class SparkEngine:
    """Runs SQL on Spark: in a session given, or in the one that is active, or in a new one.

    The session gets the temporary functions of SPARK_FUNCTIONS, and a temporary view for each table. Raises UsageError
    where pyspark is not installed.
    """

    def __init__(self, session: SparkSession | None = None):
        self.session = session or _session()
        for function in SPARK_FUNCTIONS:
            self.session.sql(function)

    def run(self, sql: str, tables: Mapping[str, Any]) -> pa.RecordBatchReader:
        """The rows of the query, all collected in this process."""
        found = self.frame(sql, tables).toArrow()
        nullable = pa.schema([field.with_nullable(True) for field in found.schema])  # as DuckDB gives them
        return found.cast(nullable).to_reader(BATCH_ROWS)

    def frame(self, sql: str, tables: Mapping[str, Any]) -> DataFrame:
        """The query as a Spark DataFrame; the tables are Arrow data or DataFrames."""
        for name, rows in tables.items():
            self._frame(rows).createOrReplaceTempView(name)
        return self.session.sql(sql)

    def _frame(self, rows: Any) -> DataFrame:
        if isinstance(rows, pa.RecordBatchReader):
            rows = rows.read_all()
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        return self.session.createDataFrame(rows) if isinstance(rows, pa.Table) else rows


def _session() -> SparkSession:
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise UsageError("the Spark engine needs pyspark", "it is not installed",
                         'install it with pip install "anomaly_cl[spark]"') from error
    return SparkSession.builder.getOrCreate()
