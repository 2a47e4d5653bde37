"""The commands `guarantees false-alarms`, `guarantees spans` and `guarantees memory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the tables and the figures as CSV.")]
guarantees = typer.Typer(no_args_is_help=True, help="What the detector of series promises, measured on simulated data.")


@guarantees.command()
def false_alarms(
    out: Out,
    series: Annotated[int, typer.Option(metavar="N", min=1, help="Series of each kind.")] = 8,
    normal: Annotated[int, typer.Option(metavar="N", min=100, help="Normal steps to learn from.")] = 10_000,
    new: Annotated[int, typer.Option(metavar="N", min=100, help="Normal steps to score.")] = 10_000,
) -> None:
    """The share of new normal steps at or under a p-value, by how much the steps depend on each other.

    What the CSV holds is not measured again, and all of it is tabled.

    Example: `python -m apps.benchmark guarantees false-alarms --out docs --series 8`
    """
    import pandas as pd

    from apps.benchmark.guarantees.false_alarms import FILE, measure
    from apps.benchmark.guarantees.normal_series import kinds
    from apps.benchmark.guarantees.report import false_alarm_tables, write

    measure(kinds(), range(series), normal, new, out, typer.echo)
    tables = false_alarm_tables(pd.read_csv(out / FILE))
    typer.echo(f"report: {write(out / 'series-false-alarms.md', 'False alarms on normal series', *tables)}")


@guarantees.command()
def spans(
    out: Out,
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of simulated plants.")] = None,
    machines: Annotated[int, typer.Option(metavar="N", min=1, help="Machines of a plant.")] = 4,
    channels: Annotated[int, typer.Option(metavar="N", min=1, help="Channels of a machine.")] = 4,
    days: Annotated[int, typer.Option(metavar="N", min=1, help="Days to watch, after 30 normal ones.")] = 120,
) -> None:
    """Spans of alerts against simulated anomalies of machines, by kind, at the default policy.

    Example: `python -m apps.benchmark guarantees spans --out docs --seeds 0 1 2`
    """
    from apps.benchmark.guarantees.report import span_tables, write
    from apps.benchmark.guarantees.span_kinds import Plant, measure

    plant = Plant(machines, channels, watched_days=days)
    frame = measure(plant, sorted(set(seeds or [0, 1, 2])), out, typer.echo)
    typer.echo(f"report: {write(out / 'series-spans.md', 'Spans of simulated sensors', *span_tables(frame))}")


@guarantees.command()
def memory(
    out: Out,
    steps: Annotated[int, typer.Option(metavar="N", min=1_000, help="Steps to score.")] = 1_000_000,
    channels: Annotated[int, typer.Option(metavar="N", min=1, help="Channels.")] = 10,
    normal: Annotated[int, typer.Option(metavar="N", min=1_000, help="Normal steps to learn from.")] = 50_000,
) -> None:
    """Peak memory and time of a long series, from an array and by `anomaly-cl score` of a file, in one thread.

    Example: `python -m apps.benchmark guarantees memory --out docs`
    """
    from apps.benchmark.guarantees.large_series import measure
    from apps.benchmark.guarantees.report import memory_table, write

    frame = measure(normal, steps, channels, out, typer.echo)
    typer.echo(f"report: {write(out / 'series-memory.md', 'Memory and time of a long series', memory_table(frame))}")
