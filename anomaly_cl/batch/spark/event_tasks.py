"""What runs in Spark's Python workers for models of events: before, between and after the SQL over histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.spark.tasks import Reading, ShippedModel, reasons_in, said_of, scored_in
from anomaly_cl.batch.spark.types import as_types, filled
from anomaly_cl.detectors.event_table import EVIDENCE, STRANGE_RECORDS, Past
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.features.records import prepare_records
from anomaly_cl.schema import Role
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.recurrence import evidence, is_strange
from anomaly_cl.table.read import Batch

GIVEN = "rows"  # a row's own columns, as one column of structs, whose names cannot clash with ours


@dataclass(frozen=True)
class ReadRecords:
    """Reads records of entities: those of `HistoryPlan.record_schema`, GIVEN, and SAID.

    Rows are numbered from `first_row` on, so that those of the history come before.
    """

    model: ShippedModel
    reading: Reading
    final: pa.Schema
    first_row: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        detector = _events(self.model.detector())
        plan, schema = detector.deviations_.plan, detector.base_schema_
        given = self.final.field(GIVEN).type
        for batch, rejected, filtered_out in self.reading.accepted(batches):
            yield said_of(self.final, "row", rejected, filtered_out)
            if batch.rows.num_rows:
                records = prepare_records(batch.rows, schema, plan)
                rows = pa.array(batch.row_numbers + self.first_row)
                columns = {name: records.column(name).combine_chunks() for name in records.column_names} | {"row": rows}
                if schema.only(Role.KEY) is None:
                    columns["key"] = rows
                yield filled(columns | {GIVEN: _structs(batch.rows, given)}, self.final)


@dataclass(frozen=True)
class JudgeRecords:
    """Records with their history as event rows, all but what their last days left, which `evidence` and `strange` of
    each are summed up to.
    """

    model: ShippedModel
    given: pa.Schema
    final: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        detector = _events(self.model.detector())
        plan = detector.deviations_.plan
        for batch in batches:
            if not batch.num_rows:
                continue
            whole = _unpacked(batch, self.given)
            rows = whole.select([column.name for column in detector.base_schema_.required])
            table = pa.Table.from_batches([batch])
            past = Past(rows, table.select(plan.record_schema().names),
                        table.select([name for name in plan.schema.names if name in table.column_names]), 0)
            every = detector.events_.rows(past, detector.deviations_, {})
            surprise = detector.surprise_(detector.scorer_.score(every))
            for name in whole.column_names:
                if name not in every.column_names:
                    every = every.append_column(name, whole.column(name))
            columns = {name: batch.column(name) for name in self.final.names if name in batch.schema.names}
            columns |= {"evidence": pa.array(evidence(surprise)),
                        "strange": pa.array(is_strange(surprise).astype(np.int64)),
                        GIVEN: _structs(every.combine_chunks().to_batches()[0], self.final.field(GIVEN).type)}
            yield filled(columns, self.final)


@dataclass(frozen=True)
class ScoreEvents:
    """Scores event rows: GIVEN, with the sums over their last days beside."""

    model: ShippedModel
    rows: pa.Schema
    final: pa.Schema
    policy: Policy
    first_row: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        detector = _events(self.model.detector())
        events = _event_batches(detector, batches, self.rows, self.first_row)
        made = [EVIDENCE + role for role in detector.deviations_.plan.entities]
        made += [STRANGE_RECORDS + role for role in detector.deviations_.plan.entities]
        columns = pa.schema([*self.rows, *((name, pa.int64()) for name in made)])
        yield from scored_in(detector, events, columns, self.final, self.policy)


@dataclass(frozen=True)
class EventReasons:
    """The same of event rows."""

    model: ShippedModel
    rows: pa.Schema
    final: pa.Schema
    first_row: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        detector = _events(self.model.detector())
        yield from reasons_in(detector, _event_batches(detector, batches, self.rows, self.first_row), self.final)


def _event_batches(
    detector: EventDetector, batches: Iterable[pa.RecordBatch], schema: pa.Schema, first_row: int
) -> Iterator[Batch]:
    """Event rows with what their last days left, of batches of GIVEN and of sums by generated names."""
    names = detector.deviations_.plan.record_names
    for batch in batches:
        if batch.num_rows:
            rows = _unpacked(batch, schema)
            for opening, value in ((EVIDENCE, "evidence"), (STRANGE_RECORDS, "strange")):
                for role in detector.deviations_.plan.entities:
                    rows = rows.append_column(opening + role, batch.column(f"{names[role]}_{value}"))
            whole = rows.combine_chunks().to_batches()[0]
            yield Batch(whole, batch.column("row").to_numpy() - first_row)


def _structs(rows: pa.RecordBatch, kind: pa.StructType) -> pa.StructArray:
    """Rows as one column of structs, in Spark's types."""
    return as_types(rows, pa.schema(list(kind))).to_struct_array()


def _unpacked(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """The rows in GIVEN, in the types of a schema."""
    return pa.Table.from_batches([as_types(pa.RecordBatch.from_struct_array(batch.column(GIVEN)), schema)])


def _events(detector: Detector) -> EventDetector:
    return cast(EventDetector, detector)
