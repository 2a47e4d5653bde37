"""anomaly-cl demo"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.dashboard import serve
from anomaly_cl.cli.evaluate import evaluate
from anomaly_cl.cli.fit import fit
from anomaly_cl.cli.score import score
from anomaly_cl.cli.screen import output, say
from anomaly_cl.cli.simulate import transactions

BEFORE, AFTER = "booked_at < '2026-02-20'", "booked_at >= '2026-02-20'"
STRONGEST = 8


def demo(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Folder to work in.")] = Path("demo"),
    rows: Annotated[int, typer.Option(metavar="N", min=1_000, help="Transactions to simulate.")] = 50_000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed.")] = 0,
    dashboard: Annotated[bool, typer.Option(help="End with the dashboard, until Ctrl-C.")] = True,
) -> None:
    """Simulate transactions, learn the normal ones, score the rest, and open the dashboard on the alerts.

    Example: `anomaly-cl demo --rows 20000 --no-dashboard`
    """
    folder.mkdir(parents=True, exist_ok=True)
    data, model = folder / "transactions.csv", folder / "model"
    scored, store = folder / "scored.parquet", folder / "alerts.sqlite"

    _step("simulate", "transactions", "--out", data, "--rows", rows, "--seed", seed)
    transactions(data, rows, seed)
    normal = f"is_fraud = 0 AND {BEFORE}"
    _step("fit", data, "--out", model, "--where", normal, "--seed", seed)
    fit([str(data)], model, where=normal, seed=seed)
    _step("score", model, data, "--out", scored, "--where", AFTER, "--keep", "is_fraud", "--store", store)
    score(model, [str(data)], scored, where=AFTER, keep=["is_fraud"], store=str(store))
    _step("evaluate", scored, "--label", "is_fraud")
    evaluate(scored, "is_fraud")
    _say_strongest(scored)
    _step("dashboard", "--store", store)
    if dashboard:
        raise typer.Exit(serve(str(store), None))


def _step(*words: object) -> None:
    """The command that does the same by hand."""
    typed = " ".join(_typed(str(word)) for word in words)
    output.print(f"\n[bold]$ anomaly-cl {escape(typed)}[/bold]", highlight=False, soft_wrap=True)


def _typed(word: str) -> str:
    """A word as one would type it; conditions, which hold single quotes, go in double ones."""
    return word if shlex.quote(word) == word else f'"{word}"'


def _say_strongest(scored: Path) -> None:
    rows = pq.read_table(scored)
    strongest = rows.take(pc.sort_indices(rows, [("score", "descending")])[:STRONGEST]).to_pylist()
    table = Table(title="\nThe strongest alerts", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("transaction", "risk", "is fraud"):
        table.add_column(name, justify="right")
    table.add_column("why (value, usually)")
    for row in strongest:
        why = "; ".join(f"{r['column']} {r['value']} ({r['typical']})" for r in (row["reasons"] or [])[:2])
        table.add_row(str(row["transaction_id"]), f"{row['risk']:.1f}", str(row["is_fraud"]), escape(why))
    output.print(table, highlight=False)
    say(f"all of them in {scored}")
