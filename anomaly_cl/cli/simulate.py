"""anomaly-cl simulate"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cl.cli.screen import progress, say


class Subject(StrEnum):
    """What is simulated."""

    TRANSACTIONS = "transactions"
    SENSORS = "sensors"


def simulate(
    subject: Annotated[Subject, typer.Argument(help="What to simulate.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write, .parquet or .csv.")],
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Number of rows.")] = 50_000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed; equal seeds give equal files.")] = 0,
) -> None:
    """Write simulated card transactions with frauds of named kinds, or sensor readings with faults, all labelled.

    Example: `anomaly-cl simulate transactions --out june.csv --rows 50000 --seed 1`
    """
    from anomaly_cl.datasets.write import write_simulated

    with progress("simulating") as done:
        write_simulated(subject.value, out, rows, seed, done)
    say(f"{rows:,} rows in {out}")
