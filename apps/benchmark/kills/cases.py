"""What is scored while processes are killed: small files of each kind, with rows that are rejected."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from apps.benchmark.kills.processes import run_command

BATCH_ROWS = 50
LEARNED, SCORED = "booked_at < '2026-02-01'", "booked_at >= '2026-02-01'"
BROKEN = 97  # every so many rows one has a cell that cannot be read


@dataclass(frozen=True)
class Case:
    """A name, and the words of a command without --out."""

    name: str
    words: tuple[object, ...]


def make_cases(folder: Path, rows: int) -> list[Case]:
    """Simulate, fit a model of each kind, and say how each scores; what is there already is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    payments, sensors = folder / "payments.csv", folder / "sensors.csv"
    made = ("simulate", "transactions", "--out", payments, "--rows", rows, "--seed", 3)
    _unless(payments, folder, made)
    _unless(sensors, folder, ("simulate", "sensors", "--out", sensors, "--rows", rows, "--seed", 1, "--machines", 2,
                              "--channels", 3, "--step", 3600, "--anomaly-share", 0.05))
    _break_cells(payments, folder / "broken.csv", "amount")
    _break_cells(sensors, folder / "broken_sensors.csv", "measured_at")
    normal = ("--pretraining", "none", "--where", f"is_fraud = 0 AND {LEARNED}")
    _unless(folder / "rows", folder, ("fit", payments, "--out", folder / "rows", *normal))
    _unless(folder / "events", folder, ("fit", payments, "--out", folder / "events", "--detector", "events", "--entity",
                                        "customer_id", *normal))
    _unless(folder / "series", folder, ("fit", sensors, "--out", folder / "series", "--detector", "series", "--entity",
                                        "machine", "--period", 24, "--pretraining", "none", "--where",
                                        "is_anomaly = 0 AND measured_at < '2026-02-15'"))
    size = ("--batch-rows", BATCH_ROWS, "--alerts-at", "alpha=0.03")
    broken = folder / "broken.csv"
    return [
        Case("rows", ("score", folder / "rows", broken, "--where", SCORED, "--keep", "amount", *size)),
        Case("events", ("score", folder / "events", broken, "--where", SCORED, "--history", broken, "--history-where",
                        LEARNED, *size)),
        Case("series", ("score", folder / "series", folder / "broken_sensors.csv", *size)),
    ]


def _unless(made: Path, folder: Path, words: tuple[object, ...]) -> None:
    """Run the command that makes a file or a folder."""
    if made.exists():
        return
    ended = run_command(words, folder / "making")
    if ended.code:
        raise RuntimeError(ended.said)


def _break_cells(source: Path, target: Path, column: str) -> None:
    if target.exists():  # runs may be reading it
        return
    with open(source, encoding="utf-8", newline="") as read, open(target, "w", encoding="utf-8", newline="") as write:
        rows = csv.DictReader(read)
        writer = csv.DictWriter(write, rows.fieldnames or [])
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow(row | ({column: "broken"} if number % BROKEN == BROKEN - 1 else {}))
