"""anomaly-cl explain"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.explained import say_explained
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, Json, Where
from anomaly_cl.cli.screen import say_json


def explain(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    inputs: Inputs,
    key: Annotated[list[str] | None, typer.Option(
        metavar="KEY", show_default=False, help="Key of a record to explain. Repeatable.")] = None,
    row: Annotated[list[int] | None, typer.Option(
        metavar="N", show_default=False, help="Row number of a record, as in the scored file. Repeatable.")] = None,
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
    verdicts: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default=False, help="What was found of earlier records, for a model made by confirm.",
    )] = None,
    k: Annotated[int, typer.Option("-k", metavar="K", min=0, help="Nearest normal records to show.")] = 5,
    level: Annotated[float, typer.Option(
        metavar="RATE", help="p-value up to which a record is called unusual.")] = 0.01,
    json: Json = False,
) -> None:
    """Say why records are unusual: a sentence, each column's share, normal records alike, and what would be ordinary.

    INPUT and --history are read as `score` reads them. Cells of normal records that differ from the record's are
    marked with *.

    Example: `anomaly-cl explain model july.csv --key T1042`
    """
    from anomaly_cl.batch.explain import explain_file
    from anomaly_cl.detectors.loading import load

    found = explain_file(load(model), inputs, keys=key or (), row_numbers=row or (), where=where,
                         history=history or None, history_where=history_where, verdicts=verdicts, k=k, level=level)
    if json:
        return say_json([each.to_dict() for each in found])
    for each in found:
        say_explained(each)
    return None
