"""anomaly-cl schema"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.options import Inputs
from anomaly_cl.cli.screen import output
from anomaly_cl.schema import LEARNED_FROM, Schema
from anomaly_cl.table.read import open_rows
from anomaly_cl.table.write import write_text


def schema(
    inputs: Inputs,
    out: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write YAML to edit and give to `fit --schema`.")] = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML instead of a table.")] = False,
) -> None:
    """Show what each column is taken for, and why.

    Example: `anomaly-cl schema june.csv --out schema.yaml`
    """
    found = open_rows(inputs).schema
    if out is not None:
        write_text(out, found.to_yaml())
    if yaml or not output.is_terminal:
        print(found.to_yaml().rstrip())  # to the letter: it may be read again; YAML escapes by itself
        return None
    return say_schema(found)


def say_schema(found: Schema) -> None:
    """A table of columns: name, kind, role and reason; what is learned from stands out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("column", "kind", "role", "why"):
        table.add_column(title)
    for column in found.columns:
        style = "" if column.role in LEARNED_FROM else "dim"
        table.add_row(escape(column.name), column.kind.value, column.role.value, escape(column.reason), style=style)
    output.print(table, highlight=False)
