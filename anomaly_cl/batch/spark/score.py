"""Scoring on Spark: the SQL and the functions of one machine, over as many as the cluster has."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from anomaly_cl.batch.batches import conforming_schema
from anomaly_cl.batch.events import file_schema, require_history, require_readable
from anomaly_cl.batch.outputs import ROW_NUMBER, scored_schema
from anomaly_cl.batch.spark.event_tasks import EventReasons, ScoreEvents
from anomaly_cl.batch.spark.events import NEW, require_spark_events, scorable_records
from anomaly_cl.batch.spark.inputs import ROW, SparkInput, read_input
from anomaly_cl.batch.spark.outputs import ScoredFrame, SparkOutputs, write_scored
from anomaly_cl.batch.spark.session import FileSystem, Kept, spark_session, told_by_us
from anomaly_cl.batch.spark.tasks import FILTERED_OUT, REJECTED, SAID, Reading, RowReasons, ScoreRows, ShippedModel
from anomaly_cl.batch.spark.types import on_spark, spark_schema
from anomaly_cl.detectors.artifact import MODEL
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector, load
from anomaly_cl.detectors.policies import known_before, resolve
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.policy import Policy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def score_on_spark(
    model: Detector | str | Path, inputs: str | Sequence[str], out: str, *, where: str | None = None,
    history: str | Sequence[str] | None = None, history_where: str | None = None, keep: Sequence[str] = (),
    policy: str | Policy | None = None, master: str | None = None,
) -> dict[str, Any]:
    """Score files by Spark, as `score_file` does on one machine; return the manifest.

    Written are folders of Parquet files, `out` and beside it `*.rejects.parquet`, and last `*.manifest.json`: where it
    is missing, the run did not end. `row_number` is no place in a file; see `SparkInput`.

    Args:
        model: a detector of rows or of events, or the folder of one. It is shipped once to each executor.
        inputs: paths, folders or patterns of Parquet or CSV files, wherever Spark reads them (s3a://, hdfs:// ...).
        out: path or URI of the folder to write, ending in .parquet; one of an earlier run is replaced.
        where, history, history_where, keep, policy: as of `score_file`. What a policy may alert is collected here.
        master: of a Spark that is not running yet; see `spark_session`.

    Raises:
        InputError: Spark cannot read the input or write the output. UsageError: an argument cannot be meant.
    """
    started = time.time()
    require_history(history, history_where)
    detector, folder = (load(model), Path(model)) if isinstance(model, str | Path) else (model, None)
    require_readable(detector, history=history)
    require_scorable(detector)
    names = SparkOutputs.beside(str(out))
    chosen = resolve(policy, known_before(detector.calibration_, file_schema(detector)))
    with spark_session(master) as session, told_by_us(), Kept() as kept:
        model_files = _shipped(session, kept, detector, folder)
        run = _Run(session, kept, FileSystem(session), detector, model_files, chosen, tuple(keep))
        names.require_replaceable(run.files)
        given = read_input(session, run.files, _paths(inputs))
        before = read_input(session, run.files, _paths(history)) if history else None
        names.require_apart(run.files, [*given.files, *(before.files if before else ())])
        if isinstance(detector, EventDetector):
            found = _events_scored(run, detector, given, where, before, history_where)
        else:
            found = _rows_scored(run, given, where)
        manifest = write_scored(session, run.files, detector, chosen, found, names)
        manifest["input"] = {"name": given.name, "where": where or "", "files": given.files}
        if before is not None:
            manifest["history"] |= {"name": before.name, "where": history_where or "", "files": before.files}
        manifest["spark"] = {"master": session.sparkContext.master, "version": session.version}
        manifest["started_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
        manifest["seconds"] = round(time.time() - started, 3)
        run.files.write_json(names.manifest, manifest)
    return manifest


def require_scorable(detector: Detector) -> None:
    """Raises UsageError for a detector that only one machine scores with."""
    if isinstance(detector, SeriesDetector):
        raise UsageError("models of rows and of events are scored on Spark", "this one judges series",
                         "score it with --engine local")
    if isinstance(detector, EventDetector):
        require_spark_events(detector)


class _Run(NamedTuple):
    """What all steps need."""

    session: SparkSession
    kept: Kept
    files: FileSystem
    detector: Detector
    model: ShippedModel
    policy: Policy
    keep: tuple[str, ...]


def _rows_scored(run: _Run, given: SparkInput, where: str | None) -> ScoredFrame:
    schema = file_schema(run.detector)
    reading = Reading.of(schema, given.columns, where, run.keep)
    types = scored_schema(conforming_schema(given.columns, schema), schema, run.keep)
    final = on_spark(types)
    scoring = ScoreRows(run.model, reading, final, run.policy)
    source = given.select(reading.names)
    both = run.kept.once(source.mapInArrow(scoring, spark_schema(scoring.out)))
    is_scored = f"{REJECTED} IS NULL AND {FILTERED_OUT} IS NULL"

    def reasons(alerts: DataFrame, told: pa.Schema) -> DataFrame:
        chosen = alerts.selectExpr(f"{ROW_NUMBER} AS {ROW}")
        return source.join(chosen, ROW, "left_semi").mapInArrow(
            RowReasons(run.model, reading, told), spark_schema(told))

    rows, said = both.filter(is_scored).drop(*SAID.names), both.filter(f"NOT ({is_scored})")
    return ScoredFrame(rows, final, types, said, reasons)


def _events_scored(
    run: _Run, detector: EventDetector, given: SparkInput, where: str | None, before: SparkInput | None,
    history_where: str | None,
) -> ScoredFrame:
    schema = detector.base_schema_
    types = scored_schema(conforming_schema(given.columns, schema), schema, run.keep)
    final = on_spark(types)
    records = scorable_records(run.session, run.kept, run.model, detector, given, where, before, history_where,
                               run.keep)
    scoring = ScoreEvents(run.model, records.rows, final, run.policy, NEW)
    rows = run.kept.once(records.frame.mapInArrow(scoring, spark_schema(final)))

    def reasons(alerts: DataFrame, told: pa.Schema) -> DataFrame:
        chosen = alerts.selectExpr(f"{ROW_NUMBER} + {NEW}L AS row")
        return records.frame.join(chosen, "row", "left_semi").mapInArrow(
            EventReasons(run.model, records.rows, told, NEW), spark_schema(told))

    return ScoredFrame(rows, final, types, records.said, reasons, records.history_said, records.history_rows)


def _shipped(session: SparkSession, kept: Kept, detector: Detector, folder: Path | None) -> ShippedModel:
    with TemporaryDirectory(prefix="anomaly_cl-") as made:
        if folder is None:
            folder = Path(made, "model")
            detector.save(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return ShippedModel(kept.ship(session, files), hashlib.sha256(files[MODEL]).hexdigest())


def _paths(inputs: str | Sequence[str]) -> list[str]:
    return [inputs] if isinstance(inputs, str | Path) else [str(each) for each in inputs]

