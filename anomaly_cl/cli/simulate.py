"""anomaly-cl simulate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from anomaly_cl.cli.screen import progress, say

DEFAULT, ALL = "default", "all"

Out = Annotated[Path, typer.Option(metavar="FILE", help="File to write, .parquet or .csv.", show_default=False)]
Rows = Annotated[int, typer.Option(metavar="N", min=1, help="Number of rows.")]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="Seed; equal seeds give equal files.")]

simulate = typer.Typer(
    name="simulate", no_args_is_help=True, rich_markup_mode="markdown",
    help="Write simulated card transactions with frauds of named kinds, sensor readings with faults, or late verdicts."
    "\n\nExample: `anomaly-cl simulate transactions --out june.csv --rows 50000 --seed 1`",
)


@simulate.command()
def transactions(
    out: Out,
    rows: Rows = 50_000,
    seed: Seed = 0,
    kinds: Annotated[str, typer.Option(
        metavar="KINDS", help="Kinds of fraud: default (five), all (nine, of which some show in no record alone), or "
        "names with commas between.")] = DEFAULT,
    fraud_share: Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows that are frauds.")] = .01,
    newcomers: Annotated[float, typer.Option(
        metavar="SHARE", help="Share of the customers that may come as late as the last day.")] = 0.0,
    ties: Annotated[float, typer.Option(
        metavar="SHARE", help="Share of a customer's further honest purchases of a day in the same second.")] = 0.0,
) -> None:
    """Write card transactions with labelled frauds.

    Example: `anomaly-cl simulate transactions --out june.csv --rows 50000 --kinds all --ties 0.01`
    """
    from anomaly_cl.datasets.simulate import ALL_FRAUD_KINDS, FRAUD_KINDS, simulate_transactions

    named = {DEFAULT: FRAUD_KINDS, ALL: ALL_FRAUD_KINDS}
    chosen = named.get(kinds) or [kind.strip() for kind in kinds.split(",")]
    _write(simulate_transactions(rows, seed, fraud_share=fraud_share, kinds=chosen, newcomers=newcomers, ties=ties),
           out)


@simulate.command()
def sensors(
    out: Out,
    rows: Rows = 50_000,
    seed: Seed = 0,
    machines: Annotated[int, typer.Option(metavar="N", help="Machines, a row each at every step.")] = 4,
    channels: Annotated[int, typer.Option(metavar="N", help="Measurements of a machine.")] = 6,
    step: Annotated[int, typer.Option(metavar="SECONDS", help="From one reading to the next.")] = 300,
    anomaly_share: Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows that are anomalous.")] = .02,
) -> None:
    """Write sensor readings of machines with labelled faults.

    Example: `anomaly-cl simulate sensors --out june.parquet --rows 50000`
    """
    from anomaly_cl.datasets.simulate import simulate_sensors

    _write(simulate_sensors(rows, seed, machines=machines, channels=channels, step_seconds=step,
                            anomaly_share=anomaly_share), out)


@simulate.command()
def verdicts(
    records: Annotated[Path, typer.Argument(metavar="RECORDS", show_default=False, help="File of labelled records.")],
    out: Out,
    seed: Seed = 0,
    key: Annotated[str, typer.Option(metavar="COLUMN", help="Key of the records.")] = "transaction_id",
    time: Annotated[str, typer.Option(metavar="COLUMN", help="Their time.")] = "booked_at",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Their label, 1 = fraud and 0 = normal.")] = "is_fraud",
    delay: Annotated[float, typer.Option(metavar="DAYS", help="Days from a record to its verdict.")] = 7.0,
    spread: Annotated[float, typer.Option(metavar="DAYS", help="Days that it may take longer.")] = 0.0,
    found: Annotated[float, typer.Option(metavar="SHARE", help="Share of the frauds that get a verdict.")] = .8,
    cleared: Annotated[float, typer.Option(metavar="SHARE", help="Share of other records with a verdict.")] = .01,
) -> None:
    """Write verdicts, fraud or legitimate, that arrive some days after the records.

    Example: `anomaly-cl simulate verdicts june.csv --out verdicts.csv --delay 7 --found 0.8`
    """
    from anomaly_cl.datasets.simulate import simulate_verdicts
    from anomaly_cl.table.read import read_table

    table = simulate_verdicts(read_table(str(records)), seed, key=key, time=time, label=label, delay_days=delay,
                              spread_days=spread, found=found, cleared=cleared)
    _write(table.to_reader(), out, quoted=True)


def _write(reader: pa.RecordBatchReader, out: Path, quoted: bool = False) -> None:
    from anomaly_cl.datasets.simulate import write_rows

    written = 0
    with progress("simulating") as done:
        def told(rows: int) -> None:
            nonlocal written
            written = rows
            done(rows)

        write_rows(reader, out, told, quoted)
    say(f"{written:,} rows in {out}")
