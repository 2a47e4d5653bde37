"""The commands under one name, and how errors are told."""

from __future__ import annotations

import typer

from anomaly_cl.cli.confirm import confirm
from anomaly_cl.cli.dashboard import dashboard
from anomaly_cl.cli.demo import demo
from anomaly_cl.cli.drift import drift
from anomaly_cl.cli.evaluate import evaluate
from anomaly_cl.cli.explain import explain
from anomaly_cl.cli.export import export
from anomaly_cl.cli.fit import fit
from anomaly_cl.cli.inspect import inspect
from anomaly_cl.cli.recalibrate import recalibrate
from anomaly_cl.cli.refine import refine
from anomaly_cl.cli.schema import schema
from anomaly_cl.cli.score import score
from anomaly_cl.cli.screen import errors
from anomaly_cl.cli.simulate import simulate
from anomaly_cl.cli.verdicts import verdicts
from anomaly_cl.errors import AnomalyCLError

app = typer.Typer(
    name="anomaly-cl", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Anomalies and fraud without labels: learn normal rows, score a file, work through the alerts.",
    epilog="Exit codes: 0 done, 2 wrong usage, 3 bad input, 4 bad model.",
)
for command in (fit, score, explain, drift, recalibrate, refine, confirm, evaluate, inspect, export, schema, dashboard,
                verdicts, demo):
    app.command()(command)
app.add_typer(simulate)


def say_error(error: AnomalyCLError) -> None:
    """The rule, the value, the remedy and what was added on the way, a line each, on standard error."""
    errors.print("[bold red]error:[/bold red] ", end="")
    notes = [f"       {line}" for line in getattr(error, "__notes__", ())]
    for line in (error.rule, f"       {error.value}", f"       remedy: {error.remedy}", *notes):
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
