"""What runs in Spark's Python workers: the functions of one machine over the batches of one task.

Nothing of a detector is pickled: a worker reads the model folder's bytes, which Spark ships once an executor, checks
their digests, and keeps the detector for the tasks to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.batch.batches import conforming_schema, reasons_of, scored_rows_of
from anomaly_cl.batch.outputs import ROW_NUMBER
from anomaly_cl.batch.spark.inputs import BROKEN, FILE, ROW
from anomaly_cl.batch.spark.types import as_types, filled
from anomaly_cl.detectors.loading import Detector, load
from anomaly_cl.detectors.policies import scored_rows
from anomaly_cl.detectors.scored import REASONS
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.thresholds import Alpha
from anomaly_cl.table.conform import Rejected, conform, raw_text, without_private
from anomaly_cl.table.filter import RowFilter
from anomaly_cl.table.read import Batch

if TYPE_CHECKING:
    from pyspark import Broadcast

REJECTED, FILTERED_OUT = "__anomaly_cl_rejected", "__anomaly_cl_filtered_out"
SAID = pa.schema([
    (REJECTED, pa.struct([("column", pa.string()), ("rule", pa.string()), ("raw_value", pa.string()),
                          ("file", pa.string())])),
    (FILTERED_OUT, pa.int64()),
])
"""Beside accepted rows: what is wrong with a rejected one, and how many were filtered out, a line a batch."""

_loaded: dict[str, Detector] = {}


@dataclass(frozen=True)
class ShippedModel:
    """The files of a model folder by name, and the digest that tells them from those of other models."""

    files: Broadcast[dict[str, bytes]]
    digest: str

    def detector(self) -> Detector:
        """The detector, read once in each worker. Raises ModelError where a byte was changed on the way."""
        if self.digest not in _loaded:
            _loaded.clear()
            with TemporaryDirectory(prefix="anomaly_cl-") as folder:
                for name, content in self.files.value.items():
                    Path(folder, name).write_bytes(content)
                _loaded[self.digest] = load(folder)
        return _loaded[self.digest]


@dataclass(frozen=True)
class Reading:
    """How rows of files become accepted ones: `columns` are the names and Arrow types of all that conform."""

    schema: Schema
    columns: pa.Schema
    where: str | None

    @classmethod
    def of(cls, schema: Schema, columns: pa.Schema, where: str | None, wanted: Sequence[str]) -> Reading:
        """Reading of files with these columns: of what is wanted and scored, or all of it where a condition may name
        more. Raises InputError for a missing column, UsageError for a condition that cannot be meant.
        """
        conforming = conforming_schema(columns, schema)
        needed = {*wanted, *(column.name for column in schema.required)}
        if where is None:
            conforming = pa.schema([field for field in conforming if field.name in needed])
        else:
            RowFilter(where, conforming, schema.only(Role.TIME))
        return cls(schema, conforming, where)

    @property
    def names(self) -> list[str]:
        return self.columns.names

    def accepted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Batch, list[Rejected], int]]:
        """Accepted rows, those rejected, and how many were filtered out, a batch at a time."""
        keep = None if self.where is None else RowFilter(self.where, self.columns, self.schema.only(Role.TIME))
        with keep or nullcontext():
            for batch in batches:
                raw, broken = _split_off_broken(batch)
                numbers = raw.column(ROW).to_numpy()
                rows, numbers, rejected = conform(raw.drop_columns(ROW), self.schema, numbers)
                files = dict(zip(batch.column(ROW).to_pylist(), batch.column(FILE).to_pylist(), strict=True)) if (
                    broken or rejected) else {}
                rows = as_types(rows, self.columns)
                found = without_private([*broken, *rejected], self.schema)
                told = [Rejected(each.row_number, each.column, each.rule, each.raw_value, files[each.row_number])
                        for each in found]
                accepted = rows.num_rows
                if keep and accepted:
                    kept = keep.keeps(rows)
                    rows, numbers = rows.filter(pa.array(kept)), numbers[kept]
                yield Batch(rows, numbers), told, accepted - rows.num_rows


@dataclass(frozen=True)
class ScoreRows:
    """Scores rows of files: `final` and SAID, of each row either.

    Alerts of a policy that looks at one row are cut here and have reasons; of another, `alert` is whether a row may
    become one.
    """

    model: ShippedModel
    reading: Reading
    final: pa.Schema
    policy: Policy

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        said: list[pa.RecordBatch] = []

        def accepted() -> Iterator[Batch]:
            for batch, rejected, filtered_out in self.reading.accepted(batches):
                said.append(said_of(self.out, ROW_NUMBER, rejected, filtered_out))
                if batch.rows.num_rows:
                    yield batch

        for scored in scored_in(self.model.detector(), accepted(), self.reading.columns, self.final, self.policy):
            yield as_types(scored, self.out)
        yield from said

    @property
    def out(self) -> pa.Schema:
        return pa.schema([*self.final, *SAID])


@dataclass(frozen=True)
class RowReasons:
    """Reasons of rows of files that a policy chose among all: row number, score and reasons."""

    model: ShippedModel
    reading: Reading
    final: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        accepted = (batch for batch, _, _ in self.reading.accepted(batches) if batch.rows.num_rows)
        yield from reasons_in(self.model.detector(), accepted, self.final)


def scored_in(
    detector: Detector, batches: Iterator[Batch], rows: pa.Schema, final: pa.Schema, policy: Policy
) -> Iterator[pa.RecordBatch]:
    """Scored rows of batches with the columns `rows`, as `ScoreRows` says of alerts."""
    plain = file_columns(final, rows)
    for batch in batches:  # one after the other: Spark runs a worker for each core
        scores = detector.score_table(batch.rows)
        read = scored_rows(scores, batch.rows, detector.schema_, detector.calibration_.n_rows_)
        alerts = policy.may_alert(read)
        reasons = reasons_of(detector, batch, alerts) if isinstance(policy, Alpha) else [None] * len(alerts)
        yield as_types(scored_rows_of(detector, batch, scores, plain, alerts, reasons), final)


def file_columns(final: pa.Schema, rows: pa.Schema) -> pa.Schema:
    """The columns of a scored file in the types that rows (their schema) have before Spark takes them."""
    return pa.schema([rows.field(field.name) if field.name in rows.names else field for field in final])


def reasons_in(detector: Detector, batches: Iterator[Batch], final: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Reasons of all rows, which are alerts."""
    for batch in batches:
        reasons = detector.reasons(batch.rows)
        columns = {ROW_NUMBER: pa.array(batch.row_numbers), "score": pa.array(detector.score_table(batch.rows).score),
                   "reasons": pa.array(reasons, REASONS)}
        yield filled(columns, final)


def _split_off_broken(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Rejected]]:
    """The files' columns with ROW of the records that could be split into columns, and the others."""
    broken = batch.column(BROKEN).is_valid()
    whole = batch.select([name for name in batch.schema.names if name not in (FILE, BROKEN)])
    if not broken.true_count:
        return whole, []
    others = batch.filter(broken)
    rejected = [Rejected(number, None, "as many fields as the header has", raw_text(text))
                for number, text in zip(others.column(ROW).to_pylist(), others.column(BROKEN).to_pylist(), strict=True)]
    return whole.filter(pc.invert(broken)), rejected


def said_of(final: pa.Schema, number: str, rejected: list[Rejected], filtered_out: int) -> pa.RecordBatch:
    """Lines for rejected rows, and one with the count of those filtered out; all else is null in them."""
    kind = SAID.field(REJECTED).type
    told = [{name: getattr(row, name) for name in kind.names} for row in rejected]
    columns = {
        number: pa.array([*(row.row_number for row in rejected), None], pa.int64()),
        REJECTED: pa.array([*told, None], kind),
        FILTERED_OUT: pa.array([*([None] * len(rejected)), filtered_out], pa.int64()),
    }
    return filled(columns, final)
