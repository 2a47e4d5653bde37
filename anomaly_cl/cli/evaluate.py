"""anomaly-cl evaluate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from anomaly_cl.cli.options import Json
from anomaly_cl.cli.screen import say, say_json, say_pairs
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.raw import reading
from anomaly_cl.table.read import read_table


def evaluate(
    scored: Annotated[Path, typer.Argument(metavar="SCORED", show_default=False, help="Scored file.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels, 1 = anomaly and 0 = normal.")],
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="File with the labels, joined by key; without it the scored file must have kept them."
    )] = None,
    key: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that both files share.")] = None,
    json: Json = False,
) -> None:
    """Compare a scored file with labels that are known afterwards.

    Example: `anomaly-cl evaluate july.parquet --label is_fraud --labels july_labels.csv`
    """
    from anomaly_cl.scoring.evaluation import evaluate as compare

    with reading(str(scored), "a scored file"):
        table = pq.read_table(scored)
    if lacking := {"score", "alert"} - set(table.column_names):
        raise InputError("a scored file has the columns score and alert", f"{scored} lacks {sorted(lacking)}",
                         "give a file that `anomaly-cl score` wrote")
    if labels is not None:
        table = _joined(table, read_table(str(labels)), label, key)
    if label not in table.column_names:
        raise InputError(f"the scored file must have the label column {label!r}", f"it has {table.column_names}",
                         f"score again with --keep {label}, or give --labels FILE")
    numbers = _numbers(table[label], label)
    known = numbers.is_valid()
    table, unknown = table.filter(known), pc.sum(pc.invert(known)).as_py()
    result = compare(numbers.drop_null().to_numpy(), table["score"].to_numpy(), table["alert"].to_numpy())
    if json:
        return say_json({**asdict(result), "rows_without_label": unknown})
    say_pairs(f"{scored} against {label}", asdict(result))
    if unknown:
        say(f"{unknown:,} rows have no label and are left out")
    return None


def _numbers(column: pa.ChunkedArray, label: str) -> pa.ChunkedArray:
    """Labels as numbers; true and false, also as text, count as 1 and 0."""
    try:
        return (column.cast(pa.bool_()) if pa.types.is_string(column.type) else column).cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise InputError(f"labels in {label!r} are 0 and 1, or true and false", str(error), "recode them") from error


def _joined(scored: pa.Table, labels: pa.Table, label: str, key: str | None) -> pa.Table:
    """The scored rows with their label, found by key; every scored row stays."""
    if label not in labels.column_names:
        raise InputError(f"the file of labels must have the column {label!r}", f"it has {labels.column_names}",
                         "correct --label or --labels")
    shared = [name for name in scored.column_names if name in labels.column_names and name != label]
    if key is None and len(shared) != 1:
        raise UsageError("the files must share one column to be joined by", f"they share {shared}", "give --key COLUMN")
    by = key or shared[0]
    if by not in shared:
        raise UsageError("--key names a column of both files", f"{by!r} is not; they share {shared}",
                         "choose one of them")
    if len(labels[by].unique()) < labels.num_rows:
        raise InputError(f"each {by} has one label", "some have several lines", "keep one line for each key")
    return scored.select([by, "score", "alert"]).join(labels.select([by, label]), by)
