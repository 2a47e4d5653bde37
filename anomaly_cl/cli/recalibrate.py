"""anomaly-cl recalibrate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.events import check_new_model, open_both, say_both
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, Where
from anomaly_cl.cli.screen import progress, say


def recalibrate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL2", help="Folder to write the new model to.")],
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
) -> None:
    """Calibrate a model on new normal rows, without training: false alarms are at their rate again.

    The rows must not be those that the model learned from. MODEL stays as it is.

    Example: `anomaly-cl recalibrate model july.csv --out model_july --where "is_fraud = 0"`
    """
    from anomaly_cl.batch.events import recalibrated, refuse_series
    from anomaly_cl.detectors.loading import load

    check_new_model(model, out)
    detector = load(model)
    refuse_series(detector, "calibrated anew", "fit a model on the new stretch")
    stream, before = open_both(detector, inputs, where, history, history_where)
    with progress("calibrating") as done:
        other = recalibrated(detector, stream, before)
        done(stream.rows_accepted)
    other.save(out)
    say_both(stream, before)
    say(f"calibrated on {other.rows_['calibration']:,} rows in place of {detector.rows_['calibration']:,}")
    say(f"model {other.model_id_} in {out}")
