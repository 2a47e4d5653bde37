"""Arguments that several commands take, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[list[str], typer.Argument(
    metavar="INPUT", show_default=False, help="Files, folders or patterns: CSV (also .gz, .zst), Parquet, Feather.")]
Where = Annotated[str | None, typer.Option(
    metavar="SQL", show_default=False, help="Read only rows that meet this condition, for example \"amount > 0\".")]
Store = Annotated[str | None, typer.Option(
    metavar="URL", show_default=False, envvar="ANOMALY_CL_STORE",
    help="Alert store: a path of a SQLite file, or a database URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
History = Annotated[list[str] | None, typer.Option(
    metavar="INPUT", show_default=False, help="Earlier records, for a model of events or series: read as the "
    "past of the others, but neither scored nor taken for normal. Repeatable.")]
HistoryWhere = Annotated[str | None, typer.Option(
    metavar="SQL", show_default=False, help="Read only those earlier records that meet this condition.")]
VerdictFile = Annotated[Path | None, typer.Option(
    metavar="FILE", show_default=False, help="Three columns: key, fraud or legitimate, when that was known.")]
VerdictStore = Annotated[str | None, typer.Option(
    metavar="URL", show_default=False, help="Take the verdicts of this alert store instead.")]
