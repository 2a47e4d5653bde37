"""anomaly-cl refine"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.confirm import check_one_source, told_verdicts
from anomaly_cl.cli.events import check_new_model, say_both
from anomaly_cl.cli.options import Inputs, VerdictFile, VerdictStore, Where
from anomaly_cl.cli.screen import progress, say
from anomaly_cl.errors import UsageError


def refine(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder, of rows.")],
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL2", help="Folder to write the new model to.")],
    verdicts: VerdictFile = None,
    store: VerdictStore = None,
    where: Where = None,
) -> None:
    """Learn from some verdicts on records, of which one at least is a fraud; it takes as long as `fit`.

    INPUT holds the records that have a verdict, found by their key; others are left out. Give all verdicts at once:
    they replace those of an earlier refinement. MODEL stays as it is.

    Example: `anomaly-cl refine model july.csv --store alerts.sqlite --out model2`
    """
    from anomaly_cl.detectors.loading import load
    from anomaly_cl.detectors.tabular import TabularDetector
    from anomaly_cl.table.read import open_rows

    check_one_source(verdicts, store)
    check_new_model(model, out)
    detector = load(model)
    if not isinstance(detector, TabularDetector):
        raise UsageError("models of single records are refined", f"{detector} is none",
                         "use `anomaly-cl confirm` for a model of events")
    told = told_verdicts(verdicts, store, detector.schema_)
    stream = open_rows(inputs, detector.schema_, where=where)
    with progress("refining") as done:
        rows, labels = told.labelled(stream)
        other = detector.refine(rows, labels)
        done(stream.rows_accepted)
    other.save(out)
    say_both(stream, None)
    say(f"learned from {len(labels):,} records with a verdict, of which {int(labels.sum()):,} are frauds")
    say(f"model {other.model_id_} in {out}")
