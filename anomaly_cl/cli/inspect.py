"""anomaly-cl inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_cl.cli.learned import say_channels, say_events, say_groups
from anomaly_cl.cli.options import Json
from anomaly_cl.cli.report import measured, say_report
from anomaly_cl.cli.schema import say_schema
from anomaly_cl.cli.screen import say_json, say_pairs
from anomaly_cl.errors import UsageError

MOST_SEGMENTS = 20


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    report: Annotated[bool, typer.Option(
        "--report", help="Also measure, on synthetic anomalies, what could be found in such data; takes a while."
    )] = False,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Trainings that the report compares.")] = 3,
    json: Json = False,
) -> None:
    """Show what a model learned from, its calibration and its versions; every file is checked first.

    With --report it also says, before production, whether the data carry signal, how stable the scores are, and how
    much hangs on the views of the training.

    Example: `anomaly-cl inspect model --report`
    """
    from anomaly_cl.detectors.artifact import describe_model
    from anomaly_cl.detectors.events import EventDetector
    from anomaly_cl.detectors.facts import channel_facts, event_facts, group_facts, row_facts, trained_facts
    from anomaly_cl.detectors.loading import load
    from anomaly_cl.detectors.series import SeriesDetector
    from anomaly_cl.detectors.tabular import TabularDetector

    detector, about = load(model), describe_model(model)
    if report and not isinstance(detector, TabularDetector):
        judged = "series" if isinstance(detector, SeriesDetector) else "records against their past"
        raise UsageError("a report is of models that judge rows by themselves", f"{model} judges {judged}",
                         "leave out --report")
    calibration, found = detector.calibration_, None
    groups: list[dict[Any, Any]] = []
    events: dict[str, Any] = {}
    channels: dict[str, dict[str, Any]] = {}
    learned: dict[str, Any] = {}
    if isinstance(detector, SeriesDetector):
        schema, trained, channels = detector.series_schema_.base, trained_facts(detector), channel_facts(detector)
        learned = {"channels": channels}
    else:
        trained = row_facts(detector)
        learned = {"typical": detector.scorer_.encoder_.typical(), "history": detector.scorer_.history_}
        if isinstance(detector, EventDetector):
            schema, events = detector.base_schema_, event_facts(detector)
        else:
            schema, groups = detector.schema_, group_facts(detector)
            found = measured(detector, seeds) if report else None
    facts = {
        "model_id": detector.model_id_, **trained,
        "smallest_p_value": 1 / (calibration.most_compared_ + 1), "tail": calibration.tail_note_,
        "format_version": about["format_version"], "bytes": sum(about["bytes"].values()),
    }
    if json:
        return say_json({**facts, **({"report": found.to_dict()} if found else {}), **events,
                         "groups": groups, "schema": schema.to_dict(), "versions": about["versions"], **learned,
                         "segments": calibration.segments_})
    say_pairs("Model", {**facts, "versions": ", ".join(f"{k} {v}" for k, v in about["versions"].items())})
    _say_segments(calibration.segments_)
    say_schema(schema)
    if channels:
        say_channels(channels)
    if events:
        say_events(events)
    if groups:
        say_groups(groups)
    if found:
        say_report(found)
    return None


def _say_segments(segments: list[dict[str, Any]]) -> None:
    if segments:
        shown = [*segments[:MOST_SEGMENTS], segments[-1]] if len(segments) > MOST_SEGMENTS + 1 else segments
        say_pairs(f"Segments ({len(segments) - 1}, the largest first; --json has all)",
                  {_named(line): _compared(line) for line in shown})


def _named(line: dict[str, Any]) -> str:
    return "(missing or new)" if line["segment"] is None else line["segment"]


def _compared(line: dict[str, Any]) -> str:
    """What rows of a segment are compared with, in words."""
    own = line["compared_with"] == line["segment"]
    return f"{line['rows']:,} rows" + ("" if own else f", compared with the {line['compared_rows']:,} of "
                                                      f"{line['compared_with'].strip('()')}")
