"""anomaly-cl recalibrate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.options import Inputs, Where
from anomaly_cl.cli.screen import progress, say
from anomaly_cl.errors import UsageError


def recalibrate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL2", help="Folder to write the new model to.")],
    where: Where = None,
) -> None:
    """Calibrate a model on new normal rows, without training: false alarms are at their rate again.

    The rows must not be those that the model learned from. MODEL stays as it is.

    Example: `anomaly-cl recalibrate model july.csv --out model_july --where "is_fraud = 0"`
    """
    from anomaly_cl.detectors.loading import load
    from anomaly_cl.table.read import open_rows

    if out.resolve() == model.resolve():
        raise UsageError("the new model is written beside the old one", f"both are {out}", "choose another folder")
    if not out.parent.is_dir():
        raise UsageError("a model is written to a folder that exists", f"{out.parent} does not", "make it first")
    detector = load(model)
    stream = open_rows(inputs, detector.schema_, where=where)
    with progress("calibrating") as done:
        other = detector.recalibrated_stream(stream)
        done(stream.rows_accepted)
    other.save(out)
    say(f"read {stream.rows_read:,} rows: {stream.rows_accepted:,} accepted, {stream.rows_filtered_out:,} filtered "
        f"out, {stream.rows_rejected:,} rejected")
    say(f"calibrated on {other.rows_['calibration']:,} rows in place of {detector.rows_['calibration']:,}")
    say(f"model {other.model_id_} in {out}")
