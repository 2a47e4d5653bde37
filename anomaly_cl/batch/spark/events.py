"""Records of entities on Spark: the history by the SQL that one machine runs, the rest in Python workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from anomaly_cl.batch.batches import conforming_schema
from anomaly_cl.batch.outputs import ROW_NUMBER
from anomaly_cl.batch.spark.event_tasks import GIVEN, JudgeRecords, ReadRecords
from anomaly_cl.batch.spark.inputs import SparkInput
from anomaly_cl.batch.spark.session import Kept
from anomaly_cl.batch.spark.tasks import SAID, Reading, ShippedModel
from anomaly_cl.batch.spark.types import on_spark, spark_schema
from anomaly_cl.detectors.event_table import EXPECTED
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.side_table import EXAMPLES
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.history_sql import MICROSECONDS_A_DAY
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import SparkEngine
from anomaly_cl.features.window_sums import window_sums_sql
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.recurrence import WINDOW_DAYS
from anomaly_cl.table.conform import PRIVATE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

ACCEPTED = f"{GIVEN} IS NOT NULL"
NEW = 1 << 61
"""Number of the first new record. Earlier ones are numbered from 0 where they are looked at, and below 0 else."""


@dataclass(frozen=True)
class ScorableRecords:
    """Event rows on Spark: `row`, GIVEN (columns of the Arrow types `rows`), and the sums that `ScoreEvents` reads.

    said, history_said: the other rows of the input and of the history, see SAID. history_rows: how many of the latter
    are accepted.
    """

    frame: DataFrame
    rows: pa.Schema
    said: DataFrame
    history_said: DataFrame | None
    history_rows: int


def require_spark_events(detector: EventDetector) -> None:
    """Raises UsageError for what only one machine does."""
    if detector.patterns_:
        raise UsageError("models of events without towers are scored on Spark",
                         f"this one has one of {[pattern.role for pattern in detector.patterns_]}",
                         "score it with --engine local, or fit one without")


def scorable_records(
    session: SparkSession, kept: Kept, model: ShippedModel, detector: EventDetector, new: SparkInput,
    where: str | None, before: SparkInput | None, history_where: str | None, keep: Sequence[str],
) -> ScorableRecords:
    """The records of files with what their past says of them, as `FittedEvents.event_table` makes them.

    Raises InputError if a record is in the history too, by its key.
    """
    engine, schema = SparkEngine(session), detector.base_schema_
    given = _given(detector, new, keep)
    read = kept.once(_read(model, detector, new, where, given, NEW))
    records, earlier, earlier_said = read.filter(ACCEPTED), None, None
    if before is not None:
        earlier = kept.once(_read(model, detector, before, history_where, given, 0))
        known, earlier_said = earlier.filter(ACCEPTED), _said(earlier)
        first = records.agg({"micros": "min"}).collect()[0][0]
        _refuse_common(records, known, schema)
        since = NEW if first is None else first - round(WINDOW_DAYS * MICROSECONDS_A_DAY)
        records = records.unionByName(known.withColumn("row", _before_or_looked_at(since)))
    looked_at, rows = _judged(engine, model, detector, records, given)
    judged = kept.once(looked_at)
    names = detector.deviations_.plan.record_names
    roles = [names[role] for role in detector.deviations_.plan.entities]
    sums = engine.frame(window_sums_sql("records", roles, ["evidence", "strange"], WINDOW_DAYS, NEW),
                        {"records": judged.drop(GIVEN)})
    frame = judged.filter(f"row >= {NEW}").select("row", GIVEN).join(sums, "row")
    n_earlier = 0 if earlier is None else earlier.filter(ACCEPTED).count()
    return ScorableRecords(kept.once(frame), rows, _said(read), earlier_said, n_earlier)


def _given(detector: EventDetector, new: SparkInput, keep: Sequence[str]) -> pa.Schema:
    """Arrow types of the columns that records are read with."""
    conforming = conforming_schema(new.columns, detector.base_schema_)
    names = list(dict.fromkeys([*(column.name for column in detector.base_schema_.required), *keep]))
    return pa.schema([conforming.field(name) for name in names])


def _read(
    model: ShippedModel, detector: EventDetector, source: SparkInput, where: str | None, given: pa.Schema, first: int
) -> DataFrame:
    """Accepted records, numbered from `first` on, and SAID of the others."""
    schema = detector.base_schema_
    reading = Reading.of(schema, source.columns, where, given.names)
    empty = reading.columns.empty_table().select([column.name for column in schema.required])
    records = prepare_records(empty, schema, detector.deviations_.plan).schema
    final = pa.schema([*records, (GIVEN, pa.struct(list(on_spark(given)))), *SAID])
    return source.select(reading.names).mapInArrow(ReadRecords(model, reading, final, first), spark_schema(final))


def _said(read: DataFrame) -> DataFrame:
    return read.filter(f"NOT {ACCEPTED}").selectExpr(f"row AS {ROW_NUMBER}", *SAID.names)


def _judged(
    engine: SparkEngine, model: ShippedModel, detector: EventDetector, records: DataFrame, given: pa.Schema
) -> tuple[DataFrame, pa.Schema]:
    """Event rows, and the types of their columns, of all records from 0 on; still without their last days."""
    learner, plan = detector.deviations_, detector.deviations_.plan
    past = engine.frame(plan.sql("records", 0, learner.columns_read), {"records": records.drop(GIVEN, *SAID.names)})
    required = [column.name for column in detector.base_schema_.required]
    made = [*detector.events_.deviations, *(EXPECTED + name for name in detector.events_.deviations)]
    rows = pa.schema([*(given.field(name) for name in required), *((name, pa.float64()) for name in made),
                      *(field for field in given if field.name not in required)])
    entities = [plan.record_names[role] for role in plan.entities]
    final = pa.schema([("row", pa.int64()), ("micros", pa.int64()), *((name, pa.string()) for name in entities),
                       ("evidence", pa.int64()), ("strange", pa.int64()), (GIVEN, pa.struct(list(on_spark(rows))))])
    looked_at = records.filter("row >= 0").drop(*SAID.names).join(past, "row")
    judging = JudgeRecords(model, given, final)
    return looked_at.mapInArrow(judging, spark_schema(final)), rows


def _before_or_looked_at(since: int) -> Column:
    """Numbers below 0 for records before an instant: others are counted by them, and they are not looked at."""
    from pyspark.sql import functions

    return functions.expr(f"CASE WHEN micros < {since}L THEN row - {NEW}L ELSE row END")


def _refuse_common(new: DataFrame, known: DataFrame, schema: Schema) -> None:
    if (key := schema.only(Role.KEY)) is None:
        return
    both = known.select("key").join(new.select("key"), "key", "left_semi")
    if found := [str(row[0]) for row in both.limit(EXAMPLES).collect()]:
        raise InputError("a record is either in the input or in its history",
                         f"in both are for example {PRIVATE if schema[key].private else found}",
                         "leave them out of the history, for example with --history-where")
