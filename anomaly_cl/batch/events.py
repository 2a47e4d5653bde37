"""Files that detectors of each kind read, with the files of the past: rows to score one by one, or to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from anomaly_cl.batch.rows import Rows, TableRows, read_records, require_some, with_kept
from anomaly_cl.batch.series import series_file_schema, step_rows_of
from anomaly_cl.detectors.event_table import RISK
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.read import BATCH_ROWS, OnReject, RowStream


@contextmanager
def scorable(
    detector: Detector, stream: RowStream, history: RowStream | None = None, *, verdicts: VerdictTable | None = None,
    keep: Sequence[str] = (), batch_rows: int = BATCH_ROWS, on_reject: OnReject | None = None,
) -> Iterator[Rows]:
    """The rows of a stream as the detector scores them: as they are, records with what their past says of them, or
    steps of series.

    `on_reject` is called with rows of the stream that are no step of a series that can be scored. Raises UsageError
    for a column to keep that is named like one that is made of the rows.
    """
    if isinstance(detector, SeriesDetector):
        with read_records(stream, history, file_schema(detector), keep) as records:
            yield step_rows_of(detector, records, batch_rows, on_reject)
    elif isinstance(detector, EventDetector):
        with read_records(stream, history, detector.base_schema_, keep) as records:
            read = [column.name for column in detector.base_schema_.required]
            events = detector.event_table(records.rows.select(read), records.history, verdicts=verdicts)
            yield TableRows(with_kept(events, read, records.rows), records.row_numbers, batch_rows,
                            history=records.history)
    else:
        yield stream


def recalibrated(detector: Detector, stream: RowStream, history: RowStream | None = None) -> Detector:
    """The detector, not one of series, with a calibration by new normal rows, which may be records with earlier ones.
    """
    if not isinstance(detector, EventDetector):
        return detector.recalibrated_stream(stream)
    with read_records(stream, history, detector.base_schema_) as records:
        require_some(records, stream)
        return detector.recalibrated(records.rows, records.history)


def confirmed(
    detector: EventDetector, stream: RowStream, verdicts: VerdictTable, history: RowStream | None = None,
    presume_after: float | None = None,
) -> EventDetector:
    """The detector that also reads verdicts, learned from those on records of both streams."""
    with read_records(stream, history, detector.base_schema_) as records:
        require_some(records, stream)
        return detector.confirmed(records.rows, verdicts, records.history, presume_after=presume_after)


def file_schema(detector: Detector) -> Schema:
    """The schema of the files that a detector reads."""
    if isinstance(detector, SeriesDetector):
        return series_file_schema(detector.series_schema_)
    return detector.base_schema_ if isinstance(detector, EventDetector) else detector.schema_


def refuse_series(detector: Detector, what: str, remedy: str) -> None:
    """Raises UsageError for a detector of series, which is not `what`."""
    if isinstance(detector, SeriesDetector):
        raise UsageError(f"models of rows and records are {what}",
                         "this one judges series, whose steps depend on each other", remedy)


def require_history(history: Any, history_where: str | None) -> None:
    """Raises UsageError for a condition on no history."""
    if history_where is not None and not history:
        raise UsageError("a condition on the history is for one", f"there is no history that meets {history_where!r}",
                         "give both --history and --history-where, or neither")


def require_readable(detector: Detector, *, history: Any = None, verdicts: Any = None) -> None:
    """Raises UsageError if a history or verdicts are given to a detector that does not read them."""
    if isinstance(detector, EventDetector):
        return
    given = {"verdicts": verdicts} if isinstance(detector, SeriesDetector) else {"history": history,
                                                                                 "verdicts": verdicts}
    if names := " and ".join(name for name, value in given.items() if value is not None):
        judged = "series" if isinstance(detector, SeriesDetector) else "rows by themselves"
        raise UsageError(f"{names} are for models that judge records against their past", f"this model judges {judged}",
                         f"leave out {names}, or fit with --detector events")


def calibration_of(detector: Detector, with_verdicts: bool) -> Calibration:
    """The calibration by which rows are judged. Raises UsageError for verdicts that the detector cannot read."""
    if not with_verdicts:
        return detector.calibration_
    confirmations = detector.confirmations_ if isinstance(detector, EventDetector) else None
    if confirmations is None:
        raise UsageError("verdicts are read by a model that learned from some", "this one did not",
                         "make one with anomaly-cl confirm, and score with that")
    return confirmations.calibration_


def without_verdicts(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Event rows without what verdicts say of them, as drift and one-class scores see them."""
    left = [name for name in rows.schema.names if not name.startswith(RISK)]
    return rows if len(left) == rows.num_columns else rows.select(left)
