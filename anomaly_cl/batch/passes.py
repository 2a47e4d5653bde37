"""The two passes that fill a scored file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from anomaly_cl.batch.alerts import AlertPool, Candidates
from anomaly_cl.batch.events import file_schema, without_verdicts
from anomaly_cl.batch.investigation import Investigation
from anomaly_cl.batch.journal import Journal
from anomaly_cl.batch.outputs import Outputs, draft_rows, draft_schema, finish_draft
from anomaly_cl.batch.pipeline import scored_batches
from anomaly_cl.batch.reasons import AlertReasons, told_reasons
from anomaly_cl.batch.rows import Rows
from anomaly_cl.batch.summary import RunSummary
from anomaly_cl.detectors.drift import DriftWatch
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.table.read import Batch
from anomaly_cl.table.write import GroupWriter, Staging, discard

Progress = Callable[[int], None]


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


class Keeping(NamedTuple):
    """Where scores outlive a killed process, and the columns that they depend on."""

    journal: Journal
    read: Sequence[str]


def scored_columns(detector: Detector, given: pa.Schema, rows: pa.Schema) -> list[str]:
    """Names of the columns of rows that scores may depend on: all but those of the input that no model reads."""
    spare = set(given.names) - {column.name for column in file_schema(detector).required}
    return [name for name in rows.names if name not in spare]


def write_scored(
    detector: Detector, rows: Rows, outputs: Outputs, final: pa.Schema, pool: AlertPool, counters: Counters,
    keeping: Keeping, staging: Staging, progress: Progress | None,
) -> tuple[Candidates, AlertReasons]:
    """Write the scored file in two passes; return the alerts, and their reasons by row number."""
    try:
        _write_draft(detector, rows, outputs, draft_schema(final), pool, counters, keeping, progress)
        alerts = pool.alerts()
        reasons = told_reasons(detector, alerts)
        finish_draft(outputs.draft, outputs.scored, final, reasons, staging)
    finally:
        discard(outputs.draft)
    return alerts, reasons


def _write_draft(
    detector: Detector, rows: Rows, outputs: Outputs, draft: pa.Schema, pool: AlertPool, counters: Counters,
    keeping: Keeping, progress: Progress | None,
) -> None:
    """First pass: everything but what needs the policy."""
    journal = keeping.journal
    known = partial(journal.known, read=keeping.read) if journal.rows_known else None
    with GroupWriter(outputs.draft, draft, "lz4", outputs.scored) as writer:
        for batch, scores in scored_batches(detector, rows, known):
            journal.record(batch, keeping.read, scores)
            writer.write(draft_rows(batch, scores, draft, detector.schema_, detector.model_id_))
            pool.add(batch, scores)
            counters.add(detector, batch, scores)
            if progress:
                progress(counters.summary.rows)
        journal.require_used()
