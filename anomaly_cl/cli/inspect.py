"""anomaly-cl inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.inspect_events import event_facts, say_events
from anomaly_cl.cli.options import Json
from anomaly_cl.cli.report import measured, say_report
from anomaly_cl.cli.schema import say_schema
from anomaly_cl.cli.screen import output, say_json, say_pairs
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
    from anomaly_cl.detectors.loading import load
    from anomaly_cl.detectors.tabular import TabularDetector

    detector, about = load(model), describe_model(model)
    if report and not isinstance(detector, TabularDetector):
        raise UsageError("a report is of models that judge rows by themselves",
                         f"{model} judges records against their past", "leave out --report")
    calibration, scorer = detector.calibration_, detector.scorer_
    untrained = f" (left untrained: {scorer.untrained_because_})" if scorer.untrained_because_ else ""
    facts = {
        "model_id": detector.model_id_, "pretraining": detector.pretraining + untrained,
        "random_state": detector.random_state,
        "heads": ", ".join(scorer.ensemble_.fitted_), **{f"{name}_rows": n for name, n in detector.rows_.items()},
        "smallest_p_value": 1 / (calibration.most_compared_ + 1), "tail": calibration.tail_note_,
        "format_version": about["format_version"], "bytes": sum(about["bytes"].values()),
    }
    if scorer.refinement_ is not None:
        facts["heads"] += ", " + ", ".join(scorer.refinement_.fusion_.weights_)
    groups, found, events = [], None, {}
    if isinstance(detector, TabularDetector):
        schema = detector.schema_
        groups = [] if scorer.prototypes_ is None else detector.groups().to_dict("records")
        found = measured(detector, seeds) if report else None
    else:
        schema, events = detector.base_schema_, event_facts(detector)
    if json:
        return say_json({**facts, **({"report": found.to_dict()} if found else {}), **events,
                         "groups": groups, "schema": schema.to_dict(), "versions": about["versions"],
                         "typical": scorer.encoder_.typical(), "history": scorer.history_,
                         "segments": calibration.segments_})
    say_pairs("Model", {**facts, "versions": ", ".join(f"{k} {v}" for k, v in about["versions"].items())})
    if segments := calibration.segments_:
        shown = [*segments[:MOST_SEGMENTS], segments[-1]] if len(segments) > MOST_SEGMENTS + 1 else segments
        say_pairs(f"Segments ({len(segments) - 1}, the largest first; --json has all)",
                  {_named(line): _compared(line) for line in shown})
    say_schema(schema)
    if events:
        say_events(events)
    if groups:
        say_groups(groups)
    if found:
        say_report(found)
    return None


def _named(line: dict[str, Any]) -> str:
    return "(missing or new)" if line["segment"] is None else line["segment"]


def _compared(line: dict[str, Any]) -> str:
    """What rows of a segment are compared with, in words."""
    own = line["compared_with"] == line["segment"]
    return f"{line['rows']:,} rows" + ("" if own else f", compared with the {line['compared_rows']:,} of "
                                                      f"{line['compared_with'].strip('()')}")


def say_groups(groups: list[dict[Any, Any]]) -> None:
    """The groups of normal behaviour: how many rows of the bank each has, and what is typical of it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("group", "rows", "share", "typical"):
        table.add_column(heading)
    for group in groups:
        table.add_row(str(group["group"]), f"{group['size']:,}", f"{group['share']:.1%}", escape(group["description"]))
    output.print("[bold]Groups of normal behaviour[/bold]", highlight=False, soft_wrap=True)
    output.print(table, highlight=False)
