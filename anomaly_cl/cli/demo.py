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
from anomaly_cl.cli.fit import DetectorKind, fit
from anomaly_cl.cli.score import score
from anomaly_cl.cli.screen import output, say
from anomaly_cl.cli.simulate import sensors, transactions

# the first weeks are but past: without one, a first purchase anywhere would be normal
PAST, BEFORE, AFTER = "booked_at < '2026-01-25'", "booked_at < '2026-02-20'", "booked_at >= '2026-02-20'"
NORMAL = f"is_fraud = 0 AND booked_at >= '2026-01-25' AND {BEFORE}"
ENTITIES = ["customer_id", "merchant_id"]
READINGS, MACHINES, CHANNELS, HOUR, DAY = 6_000, 2, 3, 3_600, 24  # seconds, and steps
LEARNED = "is_anomaly = 0 AND measured_at < '2026-03-17'"
STRONGEST = 8


def demo(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Folder to work in.")] = Path("demo"),
    rows: Annotated[int, typer.Option(metavar="N", min=1_000, help="Transactions to simulate.")] = 50_000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed.")] = 0,
    dashboard: Annotated[bool, typer.Option(help="End with the dashboard, until Ctrl-C.")] = True,
) -> None:
    """Simulate transactions and sensors, learn what is normal, score the rest, and open the dashboard on the alerts.

    Example: `anomaly-cl demo --rows 20000 --no-dashboard`
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "alerts.sqlite"
    _payments(folder, rows, seed, store)
    _machines(folder, seed, store)
    _step("dashboard", "--store", store)
    if dashboard:
        raise typer.Exit(serve(str(store), None))


def _payments(folder: Path, rows: int, seed: int, store: Path) -> None:
    """Payments against the past of their customers and merchants."""
    data, model, scored = folder / "transactions.csv", folder / "model", folder / "scored.parquet"
    _step("simulate", "transactions", "--out", data, "--rows", rows, "--seed", seed)
    transactions(data, rows, seed)
    entities = [word for name in ENTITIES for word in ("--entity", name)]
    _step("fit", data, "--out", model, "--detector", "events", *entities, "--where", NORMAL, "--history", data,
          "--history-where", PAST, "--seed", seed)
    fit([str(data)], model, detector=DetectorKind.EVENTS, entity=ENTITIES, where=NORMAL, history=[str(data)],
        history_where=PAST, seed=seed)
    _step("score", model, data, "--out", scored, "--where", AFTER, "--history", data, "--history-where", BEFORE,
          "--keep", "is_fraud", "--store", store)
    score(model, [str(data)], str(scored), where=AFTER, history=[str(data)], history_where=BEFORE, keep=["is_fraud"],
          store=str(store))
    _step("evaluate", scored, "--label", "is_fraud")
    evaluate(scored, "is_fraud")
    _say_strongest(scored)


def _machines(folder: Path, seed: int, store: Path) -> None:
    """Readings of two machines, without encoders, which take longer to train than a demonstration should."""
    data, model, scored = folder / "sensors.csv", folder / "machines", folder / "machines.parquet"
    _step("simulate", "sensors", "--out", data, "--rows", READINGS, "--machines", MACHINES, "--channels", CHANNELS,
          "--step", HOUR, "--anomaly-share", 0.05, "--seed", seed)
    sensors(data, READINGS, seed, machines=MACHINES, channels=CHANNELS, step=HOUR, anomaly_share=0.05)
    _step("fit", data, "--out", model, "--detector", "series", "--entity", "machine", "--pretraining", "none",
          "--period", DAY, "--where", LEARNED, "--seed", seed)
    fit([str(data)], model, detector=DetectorKind.SERIES, entity=["machine"], pretraining="none", period=DAY,
        where=LEARNED, seed=seed)
    _step("score", model, data, "--out", scored, "--store", store)
    score(model, [str(data)], str(scored), store=str(store))


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
