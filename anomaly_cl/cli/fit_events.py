"""What anomaly-cl fit does for records that are judged against the past of their entities."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_cl.cli.events import say_history
from anomaly_cl.cli.screen import progress, say
from anomaly_cl.schema import Schema

if TYPE_CHECKING:
    from anomaly_cl.detectors.events import EventDetector


def fit_events(
    inputs: list[str], out: Path, schema: Schema, where: str | None, history: list[str] | None,
    history_where: str | None, settings: dict[str, Any],
) -> EventDetector:
    """Write the model of an EventDetector with these settings, and the rejected rows of input and history."""
    from anomaly_cl.batch.events import read_records
    from anomaly_cl.batch.outputs import rejecting_rows
    from anomaly_cl.detectors.events import EventDetector
    from anomaly_cl.detectors.row_scorer import check_pretraining

    detector = EventDetector(**settings)
    check_pretraining(detector.pretraining)
    files = [out.with_name(out.name + ending) for ending in (".rejects.parquet", ".history.rejects.parquet")]
    with (
        rejecting_rows(inputs, schema, files[0], where=where) as stream,
        rejecting_rows(history, schema, files[1], where=history_where) if history else nullcontext() as before,
    ):
        with read_records(stream, before, schema) as records, progress("learning") as done:
            detector.fit_tables(records.rows, records.history, schema)
            done(detector.rows_["read"])
        detector.save(out)
    say(f"read {stream.rows_read:,} rows: {stream.rows_accepted:,} learned from, "
        f"{stream.rows_filtered_out:,} filtered out, {stream.rows_rejected:,} rejected")
    if before is not None:
        say_history(before.counts)
    for file in files:
        if file.exists():
            say(f"rejected rows, with reasons: {file}")
    return detector
