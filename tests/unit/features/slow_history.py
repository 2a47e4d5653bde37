"""Histories by a double loop over the records, and small tables of records to try them on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.features.history import HistoryColumn, HistoryPlan
from anomaly_cl.features.sql_engine import DuckDBEngine, SqlEngine

DAY = 86_400_000_000
PLAN = HistoryPlan(("card", "shop"), ("amount", "fee"), ("channel",), rows=4, days=(1, 7))


def histories(plan: HistoryPlan, records: pa.Table, first_row: int = 0, engine: SqlEngine | None = None) -> pa.Table:
    return (engine or DuckDBEngine()).run(plan.sql("records", first_row), {"records": records}).read_all()


def made_up_records(plan: HistoryPlan, n_rows: int, seed: int) -> pa.Table:
    """Few entities, some met once, ties in time, missing cells everywhere, and rows in no order of time."""
    rng = np.random.default_rng(seed)

    def some(values: list, p_missing: float = 0.1) -> list:
        return [None if rng.random() < p_missing else values[rng.integers(len(values))] for _ in range(n_rows)]

    made = {
        "row": rng.permutation(n_rows),
        "key": some([-3, 5, 8, 10, 1_000]),
        "micros": rng.integers(0, 20 * 24, n_rows) * (DAY // 24) // rng.choice([1, 40], n_rows),
        "hour": rng.uniform(0, 24, n_rows),
    }
    for name in plan.record_names.values():
        amounts = [12.5, 12.5, 0.1, 1e6, -3.0, *rng.lognormal(3, 1, 20)]
        made[name] = some(amounts, 0.2) if name[0] == "a" else some([*"abc" * 10, *"defghij", ""])
    return pa.table({name: pa.array(values) for name, values in made.items()}).cast(plan.record_schema())


def slow_histories(plan: HistoryPlan, records: pa.Table) -> pd.DataFrame:
    """All outputs of the plan, by rising row."""
    rows = sorted(records.to_pylist(), key=lambda record: record["row"])
    outputs = {column.sql_name: [_output(plan, column, record, rows) for record in rows] for column in plan.columns}
    return pd.DataFrame({"row": [record["row"] for record in rows], **outputs})


def _output(plan: HistoryPlan, column: HistoryColumn, record: dict, rows: list[dict]) -> float | None:
    codes = plan.record_names
    e = codes[column.entity]
    known = record[e] is not None
    past = [other for other in rows if known and other[e] == record[e] and _place(other) < _place(record)]
    past.sort(key=_place)
    if column.other is not None:
        o = codes[column.other]
        both = known and record[o] is not None
        return sum(other[o] == record[o] for other in past) if both else None
    if column.window.endswith(("day", "days")):
        width = int(column.window.split()[0]) * DAY
        past = [other for other in past if record["micros"] - width <= other["micros"] < record["micros"]]
    elif column.window.endswith("rows"):
        past = past[-int(column.window.split()[0]):]
    if column.amount is None:
        return _of_entity(column.statistic, record, past)
    amounts = [other[codes[column.amount]] for other in past if other[codes[column.amount]] is not None]
    return _of_amounts(column.statistic, np.array(amounts))


def _place(record: dict) -> tuple:
    key = (0, 0) if record["key"] is None else (1, record["key"])
    return record["micros"], *key, record["row"]


def _of_entity(statistic: str, record: dict, past: list[dict]) -> float | None:
    if statistic == "count":
        return len(past)
    if not past:
        return None
    angles = np.array([other["hour"] for other in past]) * np.pi / 12
    return {
        "since": (record["micros"] - past[-1]["micros"]) / 1e6,
        "age": (record["micros"] - past[0]["micros"]) / 1e6,
        "hour_sin": np.sin(angles).mean(),
        "hour_cos": np.cos(angles).mean(),
    }[statistic]


def _of_amounts(statistic: str, amounts: np.ndarray) -> float | None:
    if statistic in ("n", "sum"):
        return {"n": len(amounts), "sum": float(amounts.sum())}[statistic]
    if not len(amounts):
        return None
    lower, middle, upper = np.quantile(amounts, [0.25, 0.5, 0.75])
    return {"mean": amounts.mean(), "spread": amounts.std(), "max": amounts.max(), "median": middle, "q1": lower,
            "q3": upper}[statistic]
