"""What anomaly-cl fit does for rows that are judged by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_cl.cli.screen import progress, say
from anomaly_cl.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

    from anomaly_cl.detectors.tabular import TabularDetector


def fit_rows(
    inputs: list[str], out: Path, schema: Schema, where: str | None, pairs: Path | None, settings: dict[str, Any]
) -> TabularDetector:
    """Write the model of a TabularDetector with these settings, its rejected rows and its trimmed rows."""
    from anomaly_cl.batch.outputs import rejecting_rows
    from anomaly_cl.detectors.tabular import TabularDetector

    detector = TabularDetector(**settings)
    rejects_file = out.with_name(out.name + ".rejects.parquet")
    with rejecting_rows(inputs, schema, rejects_file, where=where) as stream:
        with progress("learning") as done:
            detector.fit_stream(stream, pairs=pairs)
            done(detector.rows_["read"])
        detector.save(out)
    trimmed = detector.trimmed_.num_rows
    say(f"read {stream.rows_read:,} rows: {stream.rows_accepted - trimmed:,} learned from, "
        f"{stream.rows_filtered_out:,} filtered out, {stream.rows_rejected:,} rejected"
        + ("" if detector.contamination is None else f", {trimmed:,} trimmed as they look anomalous"))
    if stream.rows_rejected:
        say(f"rejected rows, with reasons: {rejects_file}")
    _write_trimmed(detector.trimmed_, out.with_name(out.name + ".trimmed.parquet"))
    if pairs:
        say(f"pairs learned from: {detector.rows_['pairs']:,}, those of two training rows")
    return detector


def _write_trimmed(trimmed: pa.Table, file: Path) -> None:
    """Keep the trimmed rows beside the model, for people to look at; without any, the file of an older model goes."""
    from anomaly_cl.table.write import ParquetWriter

    if not trimmed.num_rows:
        file.unlink(missing_ok=True)
        return
    with ParquetWriter(file, trimmed.schema) as writer:
        writer.write(trimmed)
    say(f"trimmed rows, strangest first: {file}; if many of them are normal, fit without --contamination")
