"""Scoring of files: a scored file, the rejected rows and a manifest, in memory that does not grow with the input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.alerts import AlertPool, Candidates, Reasons, describe_run, row_alerts
from anomaly_cl.batch.events import calibration_of, file_schema, require_history, require_readable, scorable
from anomaly_cl.batch.investigation import Flagged, Investigation, Shown
from anomaly_cl.batch.journal import Journal, Notice
from anomaly_cl.batch.manifest import InputFiles, described, digest_of_inputs, manifest_of, scored_by
from anomaly_cl.batch.outputs import REJECTS, Outputs, reject_rows, rejecting_rows, scored_schema, write_json
from anomaly_cl.batch.passes import Counters, Keeping, Progress, scored_columns, write_scored
from anomaly_cl.batch.privacy import private_columns
from anomaly_cl.batch.rows import Rows
from anomaly_cl.batch.series import StepRows
from anomaly_cl.batch.spans import found_spans, require_span_names, series_facts, span_alerts, spans_schema, write_spans
from anomaly_cl.batch.summary import RunSummary
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.policies import known_before, resolve
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.table.conform import Rejected
from anomaly_cl.table.read import BATCH_ROWS, RowStream, open_rows
from anomaly_cl.table.write import ParquetWriter, Staging


def score_file(
    detector: Detector, source: Any, out: str | Path, *, where: str | None = None, history: Any = None,
    history_where: str | None = None, verdicts: str | Path | pa.Table | None = None, keep: Sequence[str] = (),
    policy: str | Policy | None = None, store: str | None = None, shown: Shown | None = None,
    batch_rows: int = BATCH_ROWS, resume: bool = False, progress: Progress | None = None, notice: Notice | None = None,
) -> dict[str, Any]:
    """Score files and write the scored file, `*.rejects.parquet` and `*.manifest.json`; return the manifest.

    Rows stream by, in bounded memory; but an event model looks at all records of the input at once, with their history.
    So does a model of series, which also writes `*.spans.parquet`: one row a span of alerted steps. A span is one alert
    in the store, and rows of whose step nothing can be said are rejected.

    All files get their names together, the manifest last. Until then the scores lie in a journal beside the scored
    file, which outlives the process: with `resume`, rows whose scores it has are not scored again, and the files are
    those of a run that was never interrupted.

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
        resume: go on where a killed or failed run of the same arguments was; from the start where there was none.
        progress: called with the number of rows scored so far.
        notice: told what becomes of the scores of an interrupted run, in words, before the work.

    Raises:
        InputError: the input cannot be read, changes meanwhile or is not that of the run to go on with, or the disk is
            full. UsageError: an argument cannot be meant, or another process writes this file. Then no file has got a
            final name, and the store is unchanged, or has the whole run.
    """
    started = time.time()
    require_history(history, history_where)
    require_readable(detector, history=history, verdicts=verdicts)
    if isinstance(detector, SeriesDetector):
        require_span_names(detector)
    schema, outputs = file_schema(detector), Outputs.beside(out)
    calibration = calibration_of(detector, verdicts is not None)
    resolved = resolve(policy, known_before(calibration, schema))
    about = scored_by(detector) | {"where": where, "history where": history_where, "verdicts": verdicts is not None,
                                   "batch rows": batch_rows}
    with ExitStack() as held:
        journal = held.enter_context(Journal(outputs.journal, about, resume=resume, notice=notice or (lambda _: None)))
        staging = held.enter_context(Staging())
        outputs.remove_leftovers()
        # the store is opened before the work, so that a wrong address costs none
        opened = None if store is None else held.enter_context(open_store(store))
        files, files_before, files_told = (InputFiles.of(given) for given in (source, history, verdicts))
        told = None if verdicts is None else VerdictTable.read(verdicts, schema)
        with (
            ParquetWriter(outputs.rejects, REJECTS, staging) as rejects,
            _history(history, schema, outputs.history_rejects, history_where, batch_rows, staging) as before,
        ):
            def reject(rows: list[Rejected]) -> None:
                rejects.write(reject_rows(rows))

            stream = open_rows(source, schema, where=where, batch_rows=batch_rows, on_reject=reject)
            final = scored_schema(stream.arrow_schema, schema, keep)
            beside = None if opened is None else held.enter_context(
                Investigation(detector, stream.arrow_schema, shown or Shown()))
            counters = Counters(RunSummary(calibration.scores_, schema.only(Role.TIME)), detector.drift_monitor(),
                                beside)
            kept = keep if beside is None or beside.amount is None else [*keep, beside.amount]
            with (
                scorable(detector, stream, before, verdicts=told, keep=kept, batch_rows=batch_rows,
                         on_reject=reject) as rows,
                AlertPool(resolved, rows.arrow_schema, schema, calibration.n_rows_) as pool,
            ):
                keeping = Keeping(journal, scored_columns(detector, stream.arrow_schema, rows.arrow_schema))
                alerts, reasons = write_scored(detector, rows, outputs, final, pool, counters, keeping, staging,
                                               progress)
                cut = pool.cut()
                raised = _raised(detector, rows, outputs, alerts, reasons, staging)
                if beside is not None:
                    beside.look(rows, raised.flagged)
        summary = counters.summary
        summary.add_alerts(raised.flagged.records.rows)
        manifest = manifest_of(detector, stream, files, where, str(resolved), len(reasons), calibration)
        manifest["rows"] |= {"scored": summary.rows, "rejected": rejects.rows_written}
        manifest |= raised.told
        if before is not None:
            manifest["history"] = described(before, files_before, history_where) | {"rows": before.counts}
        if told is not None:
            manifest["verdicts"] = {"files": files_told.digests(), "keys": len(told.keys)}
        manifest |= {"cut": cut, "drift": counters.drift.verdict().as_dict()}
        if opened is not None and beside is not None:
            told_of = summary.as_dict() | {"cut": cut, "drift": manifest["drift"]} | raised.summary
            run = describe_run(manifest, digest_of_inputs(manifest), told_of, raised.flagged.records.rows.num_rows)
            run.private = private_columns(detector)
            manifest["stored"] = beside.give(opened, run, raised.made(run), raised.flagged)
        manifest["resumed_rows"] = journal.rows_known
        manifest["started_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
        manifest["seconds"] = round(time.time() - started, 3)
        # a full store leaves the older files as they are; after a kill from here on, the run finds itself in the store
        write_json(outputs.manifest, manifest, staging)
        outputs.publish(staging)
    return manifest


def _history(
    source: Any, schema: Schema, rejects: Path, where: str | None, batch_rows: int, staging: Staging
) -> AbstractContextManager[RowStream | None]:
    if source is None:
        return nullcontext()
    return rejecting_rows(source, schema, rejects, where=where, batch_rows=batch_rows, staging=staging)


class _Raised(NamedTuple):
    """What goes to the store: what was flagged, what makes alerts of a run of it, and what the manifest and the run's
    summary tell beside.
    """

    flagged: Flagged
    made: Callable[[Run], Iterator[Alert]]
    told: dict[str, Any]
    summary: dict[str, Any]


def _raised(
    detector: Detector, rows: Rows, outputs: Outputs, alerts: Candidates, reasons: Reasons, staging: Staging
) -> _Raised:
    """Each alerted row, or each span of alerted steps, which are then in a file."""
    if not isinstance(detector, SeriesDetector):
        return _Raised(Flagged(alerts), partial(row_alerts, detector, alerts, reasons), {}, {})
    spans = found_spans(detector, alerts, reasons)
    write_spans(outputs.spans, spans, spans_schema(detector, rows.arrow_schema), staging)
    told = series_facts(detector) | {"spans": len(spans.lines)}
    if isinstance(rows, StepRows):
        told["grid"] = rows.grid_facts()
    # steps at a level are no spans at it, so that the counts of steps are no forecast of alerts
    return _Raised(Flagged(spans.peaks, spans), partial(span_alerts, detector, spans, reasons), {"series": told},
                   {"alerts_at": []})
