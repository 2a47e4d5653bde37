"""What anomaly-cl fit does for series: measurements that follow one another at a regular pace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_cl.cli.screen import policy_warnings, progress, say
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.read import SAMPLE_ROWS, read_table

if TYPE_CHECKING:
    from anomaly_cl.detectors.series import SeriesDetector

UNTRAINED = "none"  # of the pretraining: distances of windows alone


def are_series(inputs: list[str], schema: Schema, where: str | None) -> bool:
    """Whether files are series by their schema and the pace of their rows; if not, say how they could be.

    Says which it is, as nobody asked for series.
    """
    from anomaly_cl.detectors.series_choice import has_series_columns, is_series, series_by

    named = schema if has_series_columns(schema) else series_by(schema)
    if named is None or not is_series(read_table(inputs, named, where=where, limit=SAMPLE_ROWS), named):
        return False
    if named is schema:
        say("judged as series: there are a time, no key, and numbers at a regular pace (--detector tabular judges rows "
            "by themselves)")
        return True
    entity = named.with_role(Role.ENTITY)[0].name
    say(f"rows are judged by themselves; those of each {entity} come at a regular pace: --entity {entity} judges them "
        "as series")
    return False


def fit_series(
    inputs: list[str], out: Path, schema: Schema, where: str | None, channels: Sequence[str] | None,
    settings: dict[str, Any],
) -> SeriesDetector:
    """Write the model of a SeriesDetector with these settings, and the rows without a time or entity."""
    from anomaly_cl.batch.outputs import rejecting_rows
    from anomaly_cl.batch.rows import read_records, require_some
    from anomaly_cl.batch.series import series_file_schema
    from anomaly_cl.detectors.series import SeriesDetector
    from anomaly_cl.detectors.series_table import series_schema

    if settings.get("pretraining") == UNTRAINED:
        settings = {name: value for name, value in settings.items() if name != "pretraining"} | {"members": 0}
    series = series_schema(schema, None, None, channels).in_zone_of(inputs)
    detector = SeriesDetector(channels=channels, schema=series.base, **settings)
    rejects_file = out.with_name(out.name + ".rejects.parquet")
    with rejecting_rows(inputs, series_file_schema(series), rejects_file, where=where) as stream:
        with read_records(stream, None, series_file_schema(series)) as records, progress("learning") as done:
            require_some(records, stream)
            detector.fit(records.rows)
            done(stream.rows_accepted)
        detector.save(out)
    say(f"read {stream.rows_read:,} rows: {stream.rows_accepted:,} learned from, "
        f"{stream.rows_filtered_out:,} filtered out, {stream.rows_rejected:,} rejected")
    if stream.rows_rejected:
        say(f"rejected rows, with reasons: {rejects_file}")
    _say_learned(detector)
    return detector


def _say_learned(detector: SeriesDetector) -> None:
    """How the rows lie in time, what calibrates, and what the default policy can do with that."""
    rows, entity = detector.rows_, detector.series_schema_.entity
    for line in detector.grid_report_.lines():
        say(f"grid: {line}")
    window, whose = detector.scorer_.plan_.length, "" if entity is None else f" of {rows['entities']:,} {entity}s"
    say(f"windows of {window:,} steps{whose}, a step each {timedelta(microseconds=detector.grid_.step_us)}")
    say(f"calibrated on {rows['calibration']:,} steps, one of each {rows['cluster']:,} neighbours, and on "
        f"{rows['blocks']:,} blocks of a window's length")
    with policy_warnings():
        policy = detector.resolve_policy()
    say(f"policy {policy} unless told otherwise; the smallest p-value of a step is "
        f"{1 / (detector.calibration_.most_compared_ + 1):.2g}")
