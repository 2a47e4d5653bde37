"""Spans of alerted steps of series: a file of them beside the scored one, and one alert each in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.batch.alerts import Candidates, Reasons, alert_of
from anomaly_cl.batch.outputs import ABOUT_SERIES
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.series_table import USUAL
from anomaly_cl.errors import UsageError
from anomaly_cl.table.write import ParquetWriter, Staging

MADE = ("start", "end", "steps", "peak", "score", "p_value", "risk", "channels")


def spans_schema(detector: SeriesDetector, rows: pa.Schema) -> pa.Schema:
    """Arrow schema of a file of spans: the entity if there is one, and what a span is."""
    series = detector.series_schema_
    time = rows.field(series.time).type
    types = {"start": time, "end": time, "steps": pa.int64(), "peak": time, "channels": pa.list_(pa.string())}
    fields = [(name, types.get(name, pa.float64())) for name in MADE]
    if series.entity is not None:
        fields.insert(0, (series.entity, rows.field(series.entity).type))
    return pa.schema(fields, {ABOUT_SERIES: json.dumps(series_facts(detector)).encode()})


def require_span_names(detector: SeriesDetector) -> None:
    """Raises UsageError if a column is named like one that is made of spans."""
    series, about = detector.series_schema_, [f"span {name}" for name in MADE]
    taken = [name for name in MADE if name == series.entity]
    taken += [column.name for column in series.base.required if column.name in about]
    if taken:
        raise UsageError(f"a file of spans has its own columns {list(MADE)}, and the record of an alert {about}",
                         f"the input has {taken} too", "rename them, and fit again")


def series_facts(detector: SeriesDetector) -> dict[str, Any]:
    """What places steps in time: names of columns, microseconds of a step, steps of the longest gap and a window."""
    series, grid = detector.series_schema_, detector.grid_
    return {"entity": series.entity, "time": series.time, "step_us": grid.step_us, "longest_gap": grid.longest_gap,
            "window": detector.scorer_.plan_.length}


class Spans(NamedTuple):
    """Spans as `SeriesDetector.spans` gives them, and the alerted step of each one's peak (spans,)."""

    lines: pd.DataFrame
    peaks: Candidates


def found_spans(detector: SeriesDetector, alerts: Candidates, reasons: Reasons) -> Spans:
    """The spans of alerted steps."""
    series = detector.series_schema_
    names = [name for name in (series.entity, series.time) if name is not None]
    steps = alerts.rows.select(names).to_pandas()
    steps["score"], steps["alert"] = alerts.scores.score, True
    steps["reasons"] = [reasons[number] for number in alerts.row_numbers.tolist()]
    lines = detector.spans(steps)
    place = {step: row for row, step in enumerate(zip(*(steps[name] for name in names), strict=True))}
    peaks = zip(*(lines[name if name == series.entity else "peak"] for name in names), strict=True)
    return Spans(lines, alerts.take(np.array([place[peak] for peak in peaks], np.int64)))


def write_spans(path: Path, spans: Spans, schema: pa.Schema, staging: Staging) -> None:
    """A file with one row a span; see `spans_schema`."""
    with ParquetWriter(path, schema, staging) as writer:
        writer.write(pa.Table.from_pandas(spans.lines, schema, preserve_index=False))


def span_alerts(detector: SeriesDetector, spans: Spans, reasons: Reasons, run: Run) -> Iterator[Alert]:
    """An alert a span: the record, the scores and the reasons of its peak, and in the record where the span lies.

    The reasons come in the order of the channels' contributions to the whole span. A span has the name of its entity
    and the time of its peak, by which it is known again in another file; without an entity nothing tells one series
    from another, and it is known by its place in the file.
    """
    series, peaks = detector.series_schema_, spans.peaks
    shown = [column.name for column in series.base.required]
    usual = peaks.rows.select([USUAL + channel for channel in series.channels]).to_pylist()
    lines, records = spans.lines.to_dict("records"), peaks.rows.select(shown).to_pylist()
    for i, (line, record) in enumerate(zip(lines, records, strict=True)):
        number, channels = int(peaks.row_numbers[i]), list(line["channels"])
        key = None if series.entity is None else f"{record[series.entity]} {record[series.time].isoformat()}"
        about = {f"span {name}": line[name] for name in ("start", "end", "steps", "p_value", "risk")}
        yield alert_of(
            run, series.base, number, {**record, **about, "span channels": ", ".join(channels)}, key,
            {name: float(getattr(peaks.scores, name)[i]) for name in Scores.__dataclass_fields__},
            typical={name.removeprefix(USUAL): value for name, value in usual[i].items()},
            reasons=sorted(reasons[number], key=lambda reason: channels.index(reason["column"])), neighbours=[],
        )
