"""Files of records with the files of their past, as rows that can be scored one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.batch.spool import Spool
from anomaly_cl.detectors.event_table import RISK
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.side_table import some_of
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.read import BATCH_ROWS, Batch, RowStream


class Rows(Protocol):
    """Batches of rows that a detector's `score_table` takes, and the Arrow schema of each."""

    @property
    def arrow_schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class EventRows:
    """Event rows, and the number (rows,) that each has in the input."""

    table: pa.Table
    row_numbers: np.ndarray
    batch_rows: int

    @property
    def arrow_schema(self) -> pa.Schema:
        return self.table.schema

    def __iter__(self) -> Iterator[Batch]:
        start = 0
        for rows in self.table.to_batches(self.batch_rows):
            yield Batch(rows, self.row_numbers[start:start + rows.num_rows])
            start += rows.num_rows


class Records(NamedTuple):
    """Records that conform to a schema, with the number (rows,) of each in the input, and the earlier ones."""

    rows: pa.Table
    row_numbers: np.ndarray
    history: pa.Table | None


@contextmanager
def read_records(
    stream: RowStream, history: RowStream | None, schema: Schema, keep: Sequence[str] = ()
) -> Iterator[Records]:
    """The records of two streams as tables that lie on disk until the end; those of `stream` with columns to keep.

    Raises InputError if a record of `stream` is in the history too, by its key: it would be its own past.
    """
    names = [column.name for column in schema.required]
    with Spool() as spool:
        rows, numbers = spool.read(stream, list(dict.fromkeys([*names, *keep])))
        earlier = None if history is None else spool.read(history, names)[0]
        if earlier is None or not earlier.num_rows:
            yield Records(rows, numbers, None)
        else:
            _refuse_common(rows, earlier, schema.only(Role.KEY))
            yield Records(rows, numbers, earlier)


@contextmanager
def scorable(
    detector: Detector, stream: RowStream, history: RowStream | None = None, *, verdicts: VerdictTable | None = None,
    keep: Sequence[str] = (), batch_rows: int = BATCH_ROWS,
) -> Iterator[Rows]:
    """The rows of a stream as the detector scores them: as they are, or records with what their past says of them.

    Raises UsageError for a column to keep that is named like one of the latter.
    """
    if not isinstance(detector, EventDetector):
        yield stream
        return
    with read_records(stream, history, detector.base_schema_, keep) as records:
        read = [column.name for column in detector.base_schema_.required]
        events = detector.event_table(records.rows.select(read), records.history, verdicts=verdicts)
        for name in [name for name in records.rows.column_names if name not in read]:
            if name in events.column_names:
                raise UsageError("columns to keep are named otherwise than what is made of the records",
                                 f"both have {name!r}", "rename the column, or do not keep it")
            events = events.append_column(name, records.rows.column(name))
        yield EventRows(events, records.row_numbers, batch_rows)


def recalibrated(detector: Detector, stream: RowStream, history: RowStream | None = None) -> Detector:
    """The detector with a calibration by new normal rows, which may be records with earlier ones."""
    if not isinstance(detector, EventDetector):
        return detector.recalibrated_stream(stream)
    with read_records(stream, history, detector.base_schema_) as records:
        _require_some(records, stream)
        return detector.recalibrated(records.rows, records.history)


def confirmed(
    detector: EventDetector, stream: RowStream, verdicts: VerdictTable, history: RowStream | None = None,
    presume_after: float | None = None,
) -> EventDetector:
    """The detector that also reads verdicts, learned from those on records of both streams."""
    with read_records(stream, history, detector.base_schema_) as records:
        _require_some(records, stream)
        return detector.confirmed(records.rows, verdicts, records.history, presume_after=presume_after)


def _refuse_common(rows: pa.Table, history: pa.Table, key: str | None) -> None:
    if key is None:
        return
    keys = pc.drop_null(history.column(key))
    both = keys.filter(pc.is_in(keys, value_set=pc.drop_null(rows.column(key))))
    if len(both):
        raise InputError("a record is either in the input or in its history",
                         f"{len(both):,} of the history are in both: {some_of(both.combine_chunks())}",
                         "leave them out of the history, for example with --history-where")


def _require_some(records: Records, stream: RowStream) -> None:
    if not records.rows.num_rows:
        raise InputError("there must be records to learn from",
                         f"of {stream.rows_read:,} rows of {stream.name} none is accepted",
                         "check the filter and the rejected rows")


def file_schema(detector: Detector) -> Schema:
    """The schema of the files that a detector reads."""
    return detector.base_schema_ if isinstance(detector, EventDetector) else detector.schema_


def require_history(history: Any, history_where: str | None) -> None:
    """Raises UsageError for a condition on no history."""
    if history_where is not None and not history:
        raise UsageError("a condition on the history is for one", f"there is no history that meets {history_where!r}",
                         "give both --history and --history-where, or neither")


def require_events(detector: Detector, **given: Any) -> None:
    """Raises UsageError if something of these is given to a detector that judges rows by themselves."""
    if isinstance(detector, EventDetector):
        return
    if names := [name for name, value in given.items() if value is not None]:
        raise UsageError(f"{' and '.join(names)} are for models that judge records against their past",
                         "this model judges rows by themselves",
                         f"leave out {' and '.join(names)}, or fit with --detector events")


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
