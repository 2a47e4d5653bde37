"""anomaly-cl verdicts"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.screen import say
from anomaly_cl.errors import UsageError

KINDS = (".csv", ".parquet")


def verdicts(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Label file to write, ending in .csv or .parquet.")],
    store: Annotated[str, typer.Option(
        metavar="URL", show_default=False, envvar="ANOMALY_CL_STORE",
        help="Alert store: a path of a SQLite file, or a database URL.")],
    final_only: Annotated[bool, typer.Option(
        "--final-only", help="Leave out records that people are unsure of.")] = False,
) -> None:
    """Write what people decided of alerts as a label file, which `refine`, `confirm` and `score` read.

    Three columns: key, verdict (fraud, legitimate or unsure), and when it was given (UTC); one row a record, with its
    newest verdict. Alerts of records without a key are left out: nothing else names them in another file.

    In a CSV file, text that a spreadsheet would take for a formula has an apostrophe before it, which the commands
    take off again.

    Example: `anomaly-cl verdicts --store alerts.sqlite --out labels.csv`
    """
    from anomaly_cl.alerts.confirmed import stored_verdicts
    from anomaly_cl.table.spreadsheet import csv_of
    from anomaly_cl.table.write import ParquetWriter, write_text

    if out.suffix.lower() not in KINDS:
        raise UsageError(f"a label file ends in {' or '.join(KINDS)}", f"it is {out.name!r}", "choose one of them")
    table = stored_verdicts(store, final_only=final_only)
    if out.suffix.lower() == ".csv":
        write_text(out, csv_of(table))
    else:
        with ParquetWriter(out, table.schema) as file:
            file.write(table)
    given = table.column("verdict").to_pylist()
    counts = ", ".join(f"{given.count(verdict):,} {verdict}" for verdict in dict.fromkeys(sorted(given)))
    say(f"verdicts of {len(given):,} records in {out}{f': {counts}' if given else ''}")
