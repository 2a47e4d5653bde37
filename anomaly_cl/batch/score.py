"""Scoring of files: a scored file, the rejected rows and a manifest, in memory that does not grow with the input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.alerts import AlertPool, Candidates, Reasons, describe_run, row_alerts
from anomaly_cl.batch.events import (
    calibration_of,
    file_schema,
    require_history,
    require_readable,
    scorable,
    without_verdicts,
)
from anomaly_cl.batch.investigation import Flagged, Investigation, Shown
from anomaly_cl.batch.manifest import described, digest_of_inputs, digests, manifest_of
from anomaly_cl.batch.outputs import (
    REJECTS,
    Outputs,
    draft_rows,
    draft_schema,
    finish_draft,
    reject_rows,
    rejecting_rows,
    scored_schema,
    write_json,
)
from anomaly_cl.batch.pipeline import scored_batches
from anomaly_cl.batch.privacy import private_columns
from anomaly_cl.batch.rows import Rows
from anomaly_cl.batch.series import StepRows
from anomaly_cl.batch.spans import found_spans, require_span_names, series_facts, span_alerts, spans_schema, write_spans
from anomaly_cl.batch.summary import RunSummary
from anomaly_cl.detectors.drift import DriftWatch
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.policies import known_before, resolve
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.table.conform import Rejected
from anomaly_cl.table.read import BATCH_ROWS, Batch, RowStream, open_rows
from anomaly_cl.table.write import ParquetWriter

Progress = Callable[[int], None]


def score_file(
    detector: Detector, source: Any, out: str | Path, *, where: str | None = None, history: Any = None,
    history_where: str | None = None, verdicts: str | Path | pa.Table | None = None, keep: Sequence[str] = (),
    policy: str | Policy | None = None, store: str | None = None, shown: Shown | None = None,
    batch_rows: int = BATCH_ROWS, progress: Progress | None = None,
) -> dict[str, Any]:
    """Score files and write the scored file, `*.rejects.parquet` and `*.manifest.json`; return the manifest.

    Rows stream by, in bounded memory; but an event model looks at all records of the input at once, with their history.
    So does a model of series, which also writes `*.spans.parquet`: one row a span of alerted steps. A span is one alert
    in the store, and rows of whose step nothing can be said are rejected.

    Args:
        source: a path, folder or pattern of CSV, Parquet or Arrow files, or a list of them.
        out: name of the scored file, ending in .parquet.
        where: an SQL condition on the input: which rows are scored, and are past of each other.
        history: files of earlier records, of an event model or one of series: read but not scored. Rejected ones are
            kept in `*.history.rejects.parquet`.
        history_where: an SQL condition on the history.
        verdicts: a file or table of key, verdict and time, of records of both, of an event model that learned from
            some.
        keep: columns of the input to carry over.
        policy: "alpha=0.01" (the default), "fdr=0.05", "budget=100/day", "cost=1:50"; see `scoring.thresholds`.
        store: path or URL of an alert store that receives the alerts.
        shown: what it is given beside them; see `Shown`.
        batch_rows: rows read at once; the scores do not depend on it.
        progress: called with the number of rows scored so far.

    Raises:
        InputError: the input cannot be read. UsageError: an argument cannot be meant. Then no file is left under its
            final name.
    """
    started = time.time()
    require_history(history, history_where)
    require_readable(detector, history=history, verdicts=verdicts)
    if isinstance(detector, SeriesDetector):
        require_span_names(detector)
    schema, outputs = file_schema(detector), Outputs.beside(out)
    calibration = calibration_of(detector, verdicts is not None)
    resolved = resolve(policy, known_before(calibration, schema))
    told = None if verdicts is None else VerdictTable.read(verdicts, schema)
    # the store is opened before the work, so that a wrong address costs none
    with nullcontext() if store is None else open_store(store) as opened, ExitStack() as collecting:
        with (
            ParquetWriter(outputs.rejects, REJECTS) as rejects,
            _history(history, schema, outputs.history_rejects, history_where, batch_rows) as before,
        ):
            def reject(rows: list[Rejected]) -> None:
                rejects.write(reject_rows(rows))

            stream = open_rows(source, schema, where=where, batch_rows=batch_rows, on_reject=reject)
            final = scored_schema(stream.arrow_schema, schema, keep)
            beside = None if opened is None else collecting.enter_context(
                Investigation(detector, stream.arrow_schema, shown or Shown()))
            counters = Counters(RunSummary(calibration.scores_, schema.only(Role.TIME)), detector.drift_monitor(),
                                beside)
            kept = keep if beside is None or beside.amount is None else [*keep, beside.amount]
            with (
                scorable(detector, stream, before, verdicts=told, keep=kept, batch_rows=batch_rows,
                         on_reject=reject) as rows,
                AlertPool(resolved, rows.arrow_schema, schema, calibration.n_rows_) as pool,
            ):
                alerts, reasons = _write_scored(detector, rows, outputs, final, pool, counters, progress)
                cut = pool.cut()
                raised = _raised(detector, rows, outputs, alerts, reasons)
                if beside is not None:
                    beside.look(rows, raised.flagged)
        summary = counters.summary
        summary.add_alerts(raised.flagged.records.rows)
        manifest = manifest_of(detector, stream, source, where, str(resolved), len(reasons), calibration)
        manifest["rows"] |= {"scored": summary.rows, "rejected": rejects.rows_written}
        manifest |= raised.told
        if before is not None:
            manifest["history"] = described(before, history, history_where) | {"rows": before.counts}
        if told is not None:
            manifest["verdicts"] = {"files": digests(verdicts), "keys": len(told.keys)}
        manifest |= {"cut": cut, "drift": counters.drift.verdict().as_dict()}
        if opened is not None and beside is not None:
            told_of = summary.as_dict() | {"cut": cut, "drift": manifest["drift"]} | raised.summary
            run = describe_run(manifest, digest_of_inputs(manifest), told_of, raised.flagged.records.rows.num_rows)
            run.private = private_columns(detector)
            manifest["stored"] = beside.give(opened, run, raised.made(run), raised.flagged)
    manifest["started_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    manifest["seconds"] = round(time.time() - started, 3)
    write_json(outputs.manifest, manifest)
    return manifest


class Counters(NamedTuple):
    """What sees all scored rows pass, beside the pool: all that is told of a run, and what the store is given of it."""

    summary: RunSummary
    drift: DriftWatch
    beside: Investigation | None

    def add(self, detector: Detector, batch: Batch, scores: Scores) -> None:
        """See scored rows."""
        self.summary.add(batch.rows, scores)
        bare = without_verdicts(batch.rows)
        self.drift.add(bare, scores.score if bare is batch.rows else detector.score_table(bare).score)
        if self.beside is not None:
            self.beside.add(batch, scores)


def _history(
    source: Any, schema: Schema, rejects: Path, where: str | None, batch_rows: int
) -> AbstractContextManager[RowStream | None]:
    if source is None:
        return nullcontext()
    return rejecting_rows(source, schema, rejects, where=where, batch_rows=batch_rows)


def _write_scored(
    detector: Detector, rows: Rows, outputs: Outputs, final: pa.Schema, pool: AlertPool, counters: Counters,
    progress: Progress | None,
) -> tuple[Candidates, Reasons]:
    """Write the scored file in two passes; return the alerts, and their reasons by row number."""
    try:
        _write_draft(detector, rows, outputs.draft, draft_schema(final), pool, counters, progress)
        alerts = pool.alerts()
        reasons = dict(zip(alerts.row_numbers.tolist(), detector.reasons(alerts.rows), strict=True))
        finish_draft(outputs.draft, outputs.scored, final, reasons)
    finally:
        outputs.draft.unlink(missing_ok=True)
    return alerts, reasons


class _Raised(NamedTuple):
    """What goes to the store: what was flagged, what makes alerts of a run of it, and what the manifest and the run's
    summary tell beside.
    """

    flagged: Flagged
    made: Callable[[Run], Iterator[Alert]]
    told: dict[str, Any]
    summary: dict[str, Any]


def _raised(detector: Detector, rows: Rows, outputs: Outputs, alerts: Candidates, reasons: Reasons) -> _Raised:
    """Each alerted row, or each span of alerted steps, which are then in a file; of other models no such file is left.
    """
    if not isinstance(detector, SeriesDetector):
        outputs.spans.unlink(missing_ok=True)
        return _Raised(Flagged(alerts), partial(row_alerts, detector, alerts, reasons), {}, {})
    spans = found_spans(detector, alerts, reasons)
    write_spans(outputs.spans, spans, spans_schema(detector, rows.arrow_schema))
    told = series_facts(detector) | {"spans": len(spans.lines)}
    if isinstance(rows, StepRows):
        told["grid"] = rows.grid_facts()
    # steps at a level are no spans at it, so that the counts of steps are no forecast of alerts
    return _Raised(Flagged(spans.peaks, spans), partial(span_alerts, detector, spans, reasons), {"series": told},
                   {"alerts_at": []})


def _write_draft(
    detector: Detector, rows: Rows, path: Path, draft: pa.Schema, pool: AlertPool, counters: Counters,
    progress: Progress | None,
) -> None:
    """First pass: everything but what needs the policy."""
    with pq.ParquetWriter(path, draft, compression="lz4") as writer:
        for batch, scores in scored_batches(detector, rows):
            writer.write_table(draft_rows(batch, scores, draft, detector.schema_, detector.model_id_))
            pool.add(batch, scores)
            counters.add(detector, batch, scores)
            if progress:
                progress(counters.summary.rows)
