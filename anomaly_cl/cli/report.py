"""The detector report on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.screen import output, say, steps

if TYPE_CHECKING:
    from anomaly_cl.detectors.report import DetectorReport
    from anomaly_cl.detectors.tabular import TabularDetector


def measured(detector: TabularDetector, seeds: int) -> DetectorReport:
    """The report of a detector, with the steps told on a terminal."""
    with steps("measuring") as tell:
        return detector.report(seeds=seeds, on_step=tell)


def say_report(report: DetectorReport) -> None:
    """The verdict, a table for each part, and what could not be measured."""
    from anomaly_cl.detectors.report import HEADINGS

    output.print("[bold]Report[/bold]", highlight=False)
    say(report.verdict)
    models = "one model" if report.seeds == 1 else f"{report.seeds} models"
    say(f"Measured by {models} on {report.fitted_rows:,} normal rows, {report.held_out_rows:,} others and "
        f"{sum(report.anomalies.values()):,} synthetic anomalies.")
    for name, frame in report.tables().items():
        if len(frame):
            output.print(f"[bold]{escape(HEADINGS[name])}[/bold]", highlight=False, soft_wrap=True)
            output.print(_table(_heads_as_lines(frame) if frame.index.name == "kind" else frame), highlight=False)
    for note in report.notes:
        say(note)


def _heads_as_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Kinds across and heads down: of heads there may be many, with long names."""
    return frame.T.rename(index=lambda head: head.replace("_", " "))


def _table(frame: pd.DataFrame) -> Table:
    shown = frame.reset_index() if frame.index.name else frame
    table = Table(box=None, pad_edge=False)
    for heading in shown.columns:
        table.add_column(escape(str(heading).replace("_", " ")))
    for line in shown.itertuples(index=False):
        table.add_row(*(escape(_cell(value)) for value in line))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if pd.isna(value) else f"{value:.3f}"
    return "-" if value is None else str(value)
