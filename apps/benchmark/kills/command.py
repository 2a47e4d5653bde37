"""The command `kills`: what it measures, and its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cl.table.write import write_text
from apps.benchmark.kills.cases import Case, make_cases
from apps.benchmark.kills.cost import STOPPED_AT, Cost, measure_cost
from apps.benchmark.kills.measure import Killed, Outcome, Tell, kill_scoring, kill_steps, kill_storing
from apps.benchmark.kills.stores import NewStore, postgres_stores, sqlite_stores
from apps.benchmark.provenance import machine, programs
from apps.benchmark.report import markdown

VERSIONS = ("anomaly_cl", "pyarrow", "torch", "numpy", "SQLAlchemy")


def measure_kills(
    out: Path, kills: int, rows: int, cost_rows: int, server: str | None, seed: int, tell: Callable[[str], None]
) -> Path:
    """Kill runs of the kinds of models, and as many of each store, measure the cost, and write the report; its path.

    What was measured before in this folder is not measured again.
    """
    out.mkdir(parents=True, exist_ok=True)
    cases = make_cases(out / "data", rows)
    scoring = [each for number, case in enumerate(cases)
               for each in scored(case, out, -(-kills // len(cases)), seed + number, tell)]
    storing = [stored(cases[0], out, kills, "SQLite", sqlite_stores(out / "stores"), seed, tell)]
    if server is not None:
        with postgres_stores(server) as new_store:
            storing.append(stored(cases[0], out, kills, "PostgreSQL", new_store, seed, tell))
    cost = Cost(**_once(out / "cost.json", lambda: asdict(measure_cost(out / "data", cost_rows))))
    path = out / "kills.md"
    path.write_text("\n\n".join(_parts(scoring, storing, cost)) + "\n", encoding="utf-8")
    return path


def scored(case: Case, out: Path, kills: int, seed: int, tell: Tell) -> Iterator[Outcome]:
    """Runs of a case that are killed at any moment, and before each step."""
    ways: dict[str, Callable[[Killed], Outcome]] = {
        "moments": lambda killed: kill_scoring(killed, kills, np.random.default_rng(seed), tell),
        "steps": lambda killed: kill_steps(killed, tell)}
    for name, way in ways.items():
        yield Outcome(**_once(out / f"{case.name}-{name}.json", partial(_outcome, way, case, out / case.name)))


def stored(
    case: Case, out: Path, kills: int, name: str, new_store: NewStore, seed: int, tell: Tell
) -> Outcome:
    """Runs of a case that are killed while they write to a store."""
    def way(killed: Killed) -> Outcome:
        return kill_storing(killed, kills, new_store, np.random.default_rng(seed), tell, name)

    return Outcome(**_once(out / f"{name}.json", partial(_outcome, way, case, out / name)))


def _outcome(way: Callable[[Killed], Outcome], case: Case, folder: Path) -> dict[str, Any]:
    return asdict(way(Killed(case, folder)))


def _once(file: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file of results holds; measured if there is none."""
    if not file.exists():
        write_text(file, json.dumps(measure(), indent=1) + "\n")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _parts(scoring: list[Outcome], storing: list[Outcome], cost: Cost) -> Iterator[str]:
    yield "# Killed runs"
    yield f"Measured {date.today().isoformat()}; {programs(VERSIONS)}; {machine()}."
    yield ("Each run was killed (SIGKILL) at a moment drawn from an equal part of the time that a whole run takes, one "
           "in three was killed again while it went on, and then it went on to the end. Equal: all files have the "
           "bytes of those of a run that nothing stopped (the manifest but for its times and the number of rows that "
           "were not scored again), and no other file is left.")
    yield markdown(["model", "killed", "killed again", "went on with scores", "of its rows, mean", "equal"], (
        [each.name, str(each.kills), str(each.again), str(each.went_on),
         f"{each.resumed_rows / max(each.went_on, 1) / each.rows:.0%}", f"{each.equal} of {each.kills}"]
        for each in scoring))
    yield ("Killed while it wrote to the store, and then run again. Equal: after the kill the store held nothing of "
           "the run or all of it, and in the end all rows of all tables are those of a store of a run that nothing "
           "stopped.")
    yield markdown(["store", "killed", "had all of the run already", "equal"], (
        [each.name, str(each.kills), str(each.went_on), f"{each.equal} of {each.kills}"] for each in storing))
    yield (f"{cost.rows:,} rows of 20 numbers and 5 kinds, Parquet to Parquet: the journal has {cost.bytes_a_row:.1f} "
           f"bytes a row and takes {cost.journal_seconds / cost.seconds:.1%} of the time of a run "
           f"({cost.journal_seconds:.2f} s by the clock, of {cost.seconds:.1f} s of the processor). Stopped at "
           f"{STOPPED_AT:.0%}, going on took {cost.going_on_seconds / cost.seconds:.0%} of the processor's time of a "
           f"whole run.")
