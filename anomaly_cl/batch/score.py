"""Scoring of files: a scored file, the rejected rows and a manifest, in memory that does not grow with the input."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.alerts import AlertPool, Candidates, Reasons, describe_run, store_alerts
from anomaly_cl.batch.outputs import (
    REJECTS,
    Outputs,
    draft_rows,
    draft_schema,
    finish_draft,
    reject_rows,
    scored_schema,
    sha256_of,
    write_json,
)
from anomaly_cl.batch.summary import RunSummary
from anomaly_cl.detectors.artifact import LIBRARIES
from anomaly_cl.detectors.drift import TableDrift
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.schema import Role
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.table.files import expand
from anomaly_cl.table.read import BATCH_ROWS, RowStream, open_rows
from anomaly_cl.table.write import ParquetWriter

Progress = Callable[[int], None]


def score_file(
    detector: TabularDetector, source: Any, out: str | Path, *, where: str | None = None, keep: Sequence[str] = (),
    policy: str | Policy | None = None, store: str | None = None, batch_rows: int = BATCH_ROWS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score files and write the scored file, `*.rejects.parquet` and `*.manifest.json`; return the manifest.

    Args:
        source: a path, folder or pattern of CSV, Parquet or Arrow files, or a list of them.
        out: name of the scored file, ending in .parquet.
        where: an SQL condition on the input.
        keep: columns of the input to carry over.
        policy: "alpha=0.01" (the default), "fdr=0.05", "budget=100/day", "cost=1:50"; see `scoring.thresholds`.
        store: path or URL of an alert store that receives the alerts.
        batch_rows: rows read at once; the scores do not depend on it.
        progress: called with the number of rows scored so far.

    Raises:
        InputError: the input cannot be read. UsageError: an argument cannot be meant. Then no file is left under its
            final name.
    """
    started = time.time()
    outputs, resolved = Outputs.beside(out), detector.resolve_policy(policy)
    # the store is opened before the work, so that a wrong address costs none
    with nullcontext() if store is None else open_store(store) as opened:
        with ParquetWriter(outputs.rejects, REJECTS) as rejects:
            stream = open_rows(source, detector.schema_, where=where, batch_rows=batch_rows,
                               on_reject=lambda rows: rejects.write(reject_rows(rows)))
            final = scored_schema(stream.arrow_schema, detector.schema_, keep)
            summary = RunSummary(detector.calibration_.scores_, detector.schema_.only(Role.TIME))
            drift = detector.drift_monitor()
            with AlertPool(resolved, stream.arrow_schema, detector.schema_, detector.calibration_.n_rows_) as pool:
                alerts, reasons = _write_scored(detector, stream, outputs, final, pool, summary, drift, progress)
                cut = pool.cut()
        manifest = _manifest(detector, stream, source, where, str(resolved), len(reasons))
        manifest |= {"cut": cut, "drift": drift.verdict().as_dict()}
        if opened is not None:
            files = "".join(sorted(manifest["input"]["files"].values()))
            run = describe_run(manifest, hashlib.sha256(files.encode()).hexdigest(), summary.as_dict() | {"cut": cut})
            manifest["stored"] = asdict(store_alerts(opened, detector, run, alerts, reasons))
    manifest["started_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    manifest["seconds"] = round(time.time() - started, 3)
    write_json(outputs.manifest, manifest)
    return manifest


def _write_scored(
    detector: TabularDetector, stream: RowStream, outputs: Outputs, final: pa.Schema, pool: AlertPool,
    summary: RunSummary, drift: TableDrift, progress: Progress | None,
) -> tuple[Candidates, Reasons]:
    """Write the scored file in two passes; return the alerts, and their reasons by row number."""
    try:
        _write_draft(detector, stream, outputs.draft, draft_schema(final), (pool, summary, drift), progress)
        alerts = pool.alerts()
        summary.add_alerts(alerts.rows)
        reasons = dict(zip(alerts.row_numbers.tolist(), detector.reasons(alerts.rows), strict=True))
        finish_draft(outputs.draft, outputs.scored, final, reasons)
    finally:
        outputs.draft.unlink(missing_ok=True)
    return alerts, reasons


def _write_draft(
    detector: TabularDetector, stream: RowStream, path: Path, draft: pa.Schema,
    counters: tuple[AlertPool, RunSummary, TableDrift], progress: Progress | None,
) -> None:
    """First pass: everything but what needs the policy."""
    pool, summary, drift = counters
    with pq.ParquetWriter(path, draft, compression="lz4") as writer:
        for batch in stream:
            scores = detector.score_table(batch.rows)
            writer.write_table(draft_rows(batch, scores, draft, detector.schema_, detector.model_id_))
            pool.add(batch, scores)
            summary.add(batch.rows, scores)
            drift.add(batch.rows, scores.score)
            if progress:
                progress(summary.rows)


def _manifest(
    detector: TabularDetector, stream: RowStream, source: Any, where: str | None, policy: str, n_alerts: int
) -> dict[str, Any]:
    files = {file: sha256_of(file) for file in _files(source)}
    return {
        "input": {"name": stream.name, "where": where or "", "files": files},
        "model_id": detector.model_id_,
        "rows": {"read": stream.rows_read, "filtered_out": stream.rows_filtered_out,
                 "in": stream.rows_read - stream.rows_filtered_out, "scored": stream.rows_accepted,
                 "rejected": stream.rows_rejected},
        "policy": policy,
        "alerts": n_alerts,
        "calibration": {"rows": detector.calibration_.n_rows_, "tail": detector.calibration_.tail_note_,
                        "segments": detector.calibration_.segments_},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _files(source: Any) -> list[str]:
    paths = [source] if isinstance(source, str | Path) else list(source)
    return [file for path in paths for file in expand(path)]
