"""Files as Spark reads them: rows with a number and the file that each is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from anomaly_cl.batch.spark.session import FileSystem
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.delimited import DelimitedFile, open_delimited

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROW, FILE, BROKEN = "__anomaly_cl_row", "__anomaly_cl_file", "__anomaly_cl_broken"
HEAD_BYTES = 1 << 20
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_CHARSETS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8"}


@dataclass(frozen=True)
class SparkInput:
    """Rows of files: the columns of the files, then ROW, FILE and BROKEN (the text of a record that could not be split
    into columns, else null).

    `columns` is the Arrow schema of the files' own; `files` {path: size and time of change}; `name` a short text.

    A row's number is that of its partition, times 2**33, and its place there: it stays the same while the files and
    Spark's settings do, but it is no place in a file.
    """

    frame: DataFrame
    columns: pa.Schema
    files: dict[str, dict[str, int]]
    name: str

    def select(self, names: Sequence[str]) -> DataFrame:
        """The rows with only some of the files' columns."""
        return self.frame.select(*map(quoted, [*names, ROW, FILE, BROKEN]))


def quoted(name: str) -> str:
    """A column's name as Spark reads it whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def read_input(session: SparkSession, files: FileSystem, paths: Sequence[str]) -> SparkInput:
    """Open paths, folders or patterns of Parquet or CSV files. Raises InputError where there are none, UsageError for
    files of other kinds.
    """
    from pyspark.sql import functions
    from pyspark.sql.pandas.types import to_arrow_schema

    found: dict[str, dict[str, int]] = {}
    for path in paths:
        inside = files.files(path)
        if not inside:
            raise InputError(f"input {path} must exist", "Spark finds no file there", "correct the path")
        found |= inside
    if not sum(about["bytes"] for about in found.values()):
        raise InputError("the input must have rows", f"{paths[0]} is empty", "give a file that has rows")
    text = {name.lower().endswith(_TEXT) for name in found}
    if text == {True}:
        frame = _delimited(session, files, list(found))
    elif text == {False}:
        _require_parquet(found)
        frame = session.read.parquet(*paths).withColumn(BROKEN, functions.lit(None).cast("string"))
    else:
        raise UsageError("files scored together on Spark are all CSV or all Parquet", f"found both below {list(paths)}",
                         "score them one after the other")
    columns = to_arrow_schema(frame.drop(BROKEN).schema)
    frame = frame.withColumn(ROW, functions.monotonically_increasing_id()).withColumn(FILE, functions.input_file_name())
    name = next(iter(found)).rpartition("/")[2] if len(found) == 1 else f"{len(found)} files"
    return SparkInput(frame, columns, found, name)


def _require_parquet(found: dict[str, Any]) -> None:
    for name in found:
        last = name.rpartition("/")[2].lower()
        if "." in last and not last.endswith((".parquet", ".pq")):
            raise UsageError("Spark reads Parquet (.parquet) and delimited text (.csv, .tsv, .txt, also .gz)",
                             f"found {name}", "convert it, or score it with --engine local")


def _delimited(session: SparkSession, files: FileSystem, found: Sequence[str]) -> DataFrame:
    """All columns as text, so that cells are read by the same rules as on one machine."""
    from pyspark.sql.types import StringType, StructType

    sniffed = [_sniffed(files, name) for name in found]
    written = {(each.encoding, each.separator, each.names): name for each, name in zip(sniffed, found, strict=True)}
    if len(written) > 1:
        raise InputError("CSV files scored together on Spark have the same encoding, separator and columns",
                         f"{' and '.join(list(written.values())[:2])} have not",
                         "write them alike, or score them with --engine local")
    charset = _CHARSETS.get(sniffed[0].encoding.lower())
    if charset is None:
        raise InputError("Spark reads text in UTF-8", f"{found[0]} is in {sniffed[0].encoding}",
                         "convert it to UTF-8, or score it with --engine local")
    schema = StructType()
    for name in (*sniffed[0].names, BROKEN):
        schema = schema.add(name, StringType())
    # with line breaks in cells, as on one machine; a file is then read by one task
    options: dict[str, bool | str] = {
        "header": True, "sep": sniffed[0].separator, "quote": '"', "escape": '"', "multiLine": True,
        "mode": "PERMISSIVE", "columnNameOfCorruptRecord": BROKEN, "encoding": charset}
    return session.read.schema(schema).options(**options).csv(list(found))


def _sniffed(files: FileSystem, name: str) -> DelimitedFile:
    with TemporaryDirectory(prefix="anomaly_cl-") as folder:
        head = Path(folder, "head.csv")
        head.write_bytes(files.head(name, HEAD_BYTES))
        return open_delimited(str(head))
