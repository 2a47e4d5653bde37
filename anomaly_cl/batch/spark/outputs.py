"""What a run on Spark writes: folders of Parquet files, and the facts for the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.events import file_schema
from anomaly_cl.batch.outputs import AFTER_POLICY, REJECTS, ROW_NUMBER
from anomaly_cl.batch.spark.inputs import quoted
from anomaly_cl.batch.spark.session import FileSystem
from anomaly_cl.batch.spark.tasks import FILTERED_OUT, REJECTED
from anomaly_cl.detectors.artifact import LIBRARIES
from anomaly_cl.detectors.facts import masked_segments
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.policies import scored_rows
from anomaly_cl.detectors.scored import REASONS, Scores
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.policy import Policy, ScoredRows
from anomaly_cl.scoring.thresholds import Alpha

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SUFFIX = ".parquet"
TOLD = pa.schema([(ROW_NUMBER, pa.int64()), ("score", pa.float64()), ("reasons", REASONS)])
NUMBERS = [ROW_NUMBER, "score", "p_value", "p_tail", "risk", "segment"]


@dataclass(frozen=True)
class SparkOutputs:
    """The folders that one run on Spark writes, and its manifest, which is written last."""

    scored: str
    rejects: str
    history_rejects: str
    manifest: str

    @classmethod
    def beside(cls, out: str) -> SparkOutputs:
        """Names made from that of the scored rows; raises UsageError unless that ends in .parquet."""
        out = out.rstrip("/")
        if not out.rpartition("/")[2].removesuffix(SUFFIX) or not out.endswith(SUFFIX):
            raise UsageError("Spark writes a folder whose name ends in .parquet", f"the name is {out!r}",
                             "write for example scored.parquet")
        stem = out.removesuffix(SUFFIX)
        return cls(out, f"{stem}.rejects.parquet", f"{stem}.history.rejects.parquet", f"{stem}.manifest.json")

    def require_replaceable(self, files: FileSystem) -> None:
        """Raises UsageError if a folder of these names holds anything but Spark's own files."""
        for name in (self.scored, self.rejects, self.history_rejects):
            others = [file for file in files.files(name) if not file.rpartition("/")[2].startswith("part-")]
            if others and others != [files.absolute(name)]:
                raise UsageError("Spark replaces a folder only if it wrote it", f"{name} holds {others[0]}",
                                 "choose another name")

    def require_apart(self, files: FileSystem, inputs: Sequence[str]) -> None:
        """Raises UsageError if an input would be replaced."""
        for name in (self.scored, self.rejects, self.history_rejects):
            whole = files.absolute(name)
            if found := [file for file in inputs if file == whole or file.startswith(whole + "/")]:
                raise UsageError("what is written replaces no input", f"{found[0]} is in {name}", "choose another name")

    def clear(self, files: FileSystem) -> None:
        """Remove what an earlier run left, its manifest first."""
        for name in (self.manifest, self.scored, self.rejects, self.history_rejects):
            files.delete(name)


@dataclass(frozen=True)
class ScoredFrame:
    """Scored rows on Spark, and what was said of the others (`ROW_NUMBER` and SAID).

    The columns are those of `final`; `types` are what they were before Spark took them. Unless the policy is alpha,
    `alert` only says that it may become one; `reasons` gives those chosen their reasons, a frame of TOLD. Of a history
    there is said the same.
    """

    rows: DataFrame
    final: pa.Schema
    types: pa.Schema
    said: DataFrame
    reasons: Callable[[DataFrame, pa.Schema], DataFrame]
    history_said: DataFrame | None = None
    history_rows: int = 0


def write_scored(
    session: SparkSession, files: FileSystem, detector: Detector, policy: Policy, found: ScoredFrame,
    names: SparkOutputs,
) -> dict[str, Any]:
    """Write all but the manifest, and return it without what it tells of the input.

    Raises InputError if the input changed between two readings of it.
    """
    n_scored = found.rows.count()
    if isinstance(policy, Alpha):
        rows, n_alerts, cut = found.rows, found.rows.filter("alert").count(), policy.cut(_NOTHING)
    else:
        candidates, table = _candidates(found, detector, n_scored)
        mask = policy.alerts(candidates)
        n_alerts, cut = int(mask.sum()), policy.cut(candidates) if n_scored else {}
        rows = _with_reasons(session, found, table.filter(pa.array(mask)).select([ROW_NUMBER, "score"]))
    names.clear(files)
    rows.select(*map(quoted, found.final.names)).write.parquet(names.scored)
    _require_all(session.read.parquet(names.scored), n_scored, n_alerts)
    calibration = detector.calibration_
    counts = _written_rejects(found.said, names.rejects, n_scored, "scored")
    manifest: dict[str, Any] = {
        "model_id": detector.model_id_, "rows": counts | {"in": n_scored + counts["rejected"]},
        "policy": str(policy), "alerts": n_alerts, "cut": cut,
        "calibration": {"rows": calibration.n_rows_, "tail": calibration.tail_note_,
                        "segments": masked_segments(calibration.segments_, file_schema(detector))},
        "versions": {name: version(name) for name in (*LIBRARIES, "pyspark")},
    }
    if found.history_said is not None:
        counts = _written_rejects(found.history_said, names.history_rejects, found.history_rows, "accepted")
        if not counts["rejected"]:
            files.delete(names.history_rejects)
        manifest["history"] = {"rows": counts}
    return manifest


def _candidates(found: ScoredFrame, detector: Detector, n_rows: int) -> tuple[ScoredRows, pa.Table]:
    """The rows that may become alerts, as a policy reads them, and as a table, in order of their numbers."""
    schema = _judged_schema(detector)
    time, segment = schema.only(Role.TIME), schema.only(Role.SEGMENT)
    named = [*NUMBERS, *([time] if time else [])]
    table = found.rows.filter("alert").select(*map(quoted, named)).toArrow().sort_by(ROW_NUMBER)
    if time:
        table = table.set_column(len(NUMBERS), time, table.column(time).cast(found.types.field(time).type))
    if segment and segment != time:
        table = table.append_column(segment, table.column("segment"))
    scores = Scores(*(table.column(name).to_numpy() for name in ("score", "p_value", "p_tail", "risk")))
    read = scored_rows(scores, table, schema, detector.calibration_.n_rows_)
    return replace(read, total=n_rows), table


def _judged_schema(detector: Detector) -> Schema:
    """The columns of rows that a policy may read."""
    return Schema(tuple(file_schema(detector).with_role(Role.TIME, Role.SEGMENT)))


def _with_reasons(session: SparkSession, found: ScoredFrame, alerts: pa.Table) -> DataFrame:
    """The scored rows with alerts as they were chosen: row numbers, and scores as proof that they are the same rows."""
    from pyspark.sql import functions

    told = found.reasons(session.createDataFrame(alerts), TOLD)
    rows = found.rows.drop(*AFTER_POLICY).join(told, [ROW_NUMBER, "score"], "left")
    return rows.withColumn("alert", functions.col("reasons").isNotNull())


def _require_all(written: DataFrame, n_scored: int, n_alerts: int) -> None:
    if (written.count(), written.filter("alert").count()) != (n_scored, n_alerts):
        raise InputError("the input stays as it is while it is scored", "rows changed between two readings of it",
                         "score it again when nothing writes to it")


def _written_rejects(said: DataFrame, name: str, n_accepted: int, accepted: str) -> dict[str, int]:
    """Write rejected rows, and count all rows."""
    rejects = said.filter(f"{REJECTED} IS NOT NULL").select(ROW_NUMBER, f"{REJECTED}.*")
    rejects.select(*REJECTS.names).coalesce(1).write.parquet(name)
    rejected, filtered_out = said.selectExpr(f"count({REJECTED})", f"coalesce(sum({FILTERED_OUT}), 0)").collect()[0]
    return {"read": n_accepted + rejected + filtered_out, "filtered_out": filtered_out, accepted: n_accepted,
            "rejected": rejected}


_NOTHING = ScoredRows(np.zeros(0), np.zeros(0))
