"""Small tables of records of entities, and their history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.schema import Column, Schema

DAY = 86_400
ENGINE = DuckDBEngine(threads=1)


def table(seconds, **columns):
    """Records with an `id`, `at` so many seconds after midnight, entities `e_...`, categories `c_...` and amounts."""
    n = len(seconds)
    made = {"id": pa.array(np.arange(n)), "at": pa.array(np.asarray(seconds, np.int64)).cast(pa.timestamp("s"))}
    for name, values in columns.items():
        texts = name.startswith(("e_", "c_"))
        made[name] = pa.array([None if v is None else str(v) for v in values], pa.string()) if texts else pa.array(
            values, pa.float64(), from_pandas=True)
    return pa.table(made)


def schema_of(rows):
    kinds = {"e_": ("categorical", "string", "entity"), "c_": ("categorical", "string")}
    made = [Column("id", "numeric", "int64", "key"), Column("at", "datetime", "timestamp[s]", "time")]
    made += [Column(name, *kinds.get(name[:2], ("numeric", "double"))) for name in rows.column_names[2:]]
    return Schema(tuple(made))


def histories(rows, rows_back=50, days=(1, 7, 30)):
    """The plan of all columns, the records and their history."""
    plan = HistoryPlan.from_schema(schema_of(rows))
    plan = HistoryPlan(plan.entities, plan.amounts, plan.categories, rows_back, days)
    records = prepare_records(rows, schema_of(rows), plan)
    learner = EntityDeviations(plan)
    past = ENGINE.run(plan.sql("records", 0, learner.columns_read), {"records": records}).read_all()
    return plan, records, past


def learned(rows, **settings):
    """Deviations learned from all of the records, these, and their history."""
    plan, records, past = histories(rows, **settings)
    return EntityDeviations(plan).fit(records, past), records, past
