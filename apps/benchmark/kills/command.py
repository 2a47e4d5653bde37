"""The command `kills`: what it measures, and its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np

from apps.benchmark.kills.cases import make_cases
from apps.benchmark.kills.cost import STOPPED_AT, Cost, measure_cost
from apps.benchmark.kills.measure import Killed, Outcome, kill_scoring, kill_steps, kill_storing
from apps.benchmark.kills.stores import NewStore, postgres_stores, sqlite_stores
from apps.benchmark.provenance import machine, programs
from apps.benchmark.report import markdown

VERSIONS = ("anomaly_cl", "pyarrow", "torch", "numpy", "SQLAlchemy")
RECORD = "kills.json"


def measure_kills(
    out: Path, kills: int, rows: int, cost_rows: int, server: str | None, seed: int, tell: Callable[[str], None]
) -> Path:
    """Kill runs of the kinds of models, and as many of each store, measure the cost, and write the report; its path."""
    out.mkdir(parents=True, exist_ok=True)
    scoring, storing = [], []
    with ExitStack() as held:
        stores: dict[str, NewStore] = {"SQLite": sqlite_stores(out / "stores")}
        if server is not None:
            stores["PostgreSQL"] = held.enter_context(postgres_stores(server))
        cases = make_cases(out / "data", rows)
        for number, case in enumerate(cases):
            killed = Killed(case, out / case.name)
            scoring += [kill_scoring(killed, -(-kills // len(cases)), np.random.default_rng([seed, number]), tell),
                        kill_steps(killed, tell)]
            if case.name == "rows":
                for name, new in stores.items():
                    storing.append(kill_storing(killed, kills, new, np.random.default_rng([seed, 9]), tell, name))
    cost = measure_cost(out / "data", cost_rows)
    (out / RECORD).write_text(json.dumps({"scoring": [each.as_dict() for each in scoring], "storing": [
        each.as_dict() for each in storing], "cost": asdict(cost)}, indent=1) + "\n", encoding="utf-8")
    path = out / "kills.md"
    path.write_text("\n\n".join(_parts(scoring, storing, cost)) + "\n", encoding="utf-8")
    return path


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
           f"({cost.journal_seconds:.2f} of {cost.seconds:.1f} s). Stopped at {STOPPED_AT:.0%}, going on took "
           f"{cost.going_on_seconds / cost.seconds:.0%} of the time of a whole run.")
