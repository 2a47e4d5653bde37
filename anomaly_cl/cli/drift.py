"""anomaly-cl drift"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.events import open_both, say_history
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, Json, Where
from anomaly_cl.cli.screen import progress, say, say_json, say_pairs

SHOWN = 10  # columns


def drift(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    inputs: Inputs,
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
    json: Json = False,
) -> None:
    """Check whether a model's calibration still holds for new rows: fine, watch or recalibrate.

    No labels are needed, and some anomalies among the rows are no drift. Of inputs without drift, at most 1 in 100 is
    told to recalibrate, however often it is checked while it grows. The exit code is 0 whatever the verdict.

    Example: `anomaly-cl drift model july.csv`
    """
    from anomaly_cl.batch.events import refuse_series, scorable
    from anomaly_cl.detectors.loading import load

    detector = load(model)
    refuse_series(detector, "checked for drift", "compare the shares of alerts of whole weeks")
    stream, before = open_both(detector, inputs, where, history, history_where)
    with scorable(detector, stream, before) as rows, progress("comparing") as done:
        verdict = detector.drift_of_stream(rows)
        done(verdict.rows)
    earlier = {} if before is None else {"history": before.counts}
    if json:
        return say_json(verdict.as_dict() | {"model_id": detector.model_id_, "rows_rejected": stream.rows_rejected}
                        | earlier)
    say(verdict.sentence)
    if before is not None:
        say_history(before.counts)
    say_pairs(f"{stream.name} against the calibration of {model}", {
        "rows": verdict.rows, "rows_rejected": stream.rows_rejected, "calibration_rows": verdict.calibration_rows,
        "distance_of_ordinary_scores": verdict.bulk_distance, "more_rows_in_the_strange_tenth": verdict.tail_excess,
        **{f"stability_index_of_{column.name}": column.size for column in verdict.columns[:SHOWN]},
    })
    return None
