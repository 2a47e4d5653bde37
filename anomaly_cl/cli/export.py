"""anomaly-cl export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.screen import say
from anomaly_cl.errors import UsageError


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Write the encoder of a model of rows as ONNX, for other runtimes; needs the extra onnx.

    The file says which columns go in. What makes them of a row, and scores of the embeddings, is in the model folder.

    Example: `anomaly-cl export model --out encoder.onnx`
    """
    from anomaly_cl.detectors.loading import load
    from anomaly_cl.detectors.onnx_export import export_onnx

    if not out.parent.is_dir():
        raise UsageError("a file is written to a folder that exists", f"{out.parent} does not", "make it first")
    about = export_onnx(load(model), out)
    say(f"encoder of model {about['model_id']} in {out}")
