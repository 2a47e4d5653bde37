import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.batch.pasts import LAST, PastRecords
from anomaly_cl.schema import Column, Schema

N_ROWS, N_HISTORY = 3_000, 500
SCHEMA = Schema((
    Column("id", "numeric", "int64", "key"), Column("at", "datetime", "timestamp[s]", "time"),
    Column("card", "numeric", "int64", "entity"), Column("shop", "categorical", "string", "entity"),
    Column("paid", "numeric", "double"),
))


def made_up(n_rows, seed):
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 1_000, n_rows) + 1_000 * (seed == 1), unit="min")
    return pa.table({
        "id": np.arange(n_rows) + 10_000 * seed, "at": pa.array(at, pa.timestamp("s")),
        "card": pa.array(rng.integers(0, 12, n_rows), mask=rng.random(n_rows) < 0.1),
        "shop": pa.array(rng.choice(["a", "b'", "c"], n_rows)),
        "paid": pa.array(rng.normal(size=n_rows), mask=rng.random(n_rows) < 0.1),
    })


@pytest.fixture(scope="module")
def tables():
    return made_up(N_HISTORY, 0), made_up(N_ROWS, 1), np.random.default_rng(2).random(N_ROWS) * 100


def spooled(tables, schema=SCHEMA, amount="paid", step=256):
    history, rows, risk = tables
    records = PastRecords(schema, amount)
    records.__enter__()
    for start in range(0, rows.num_rows, step):
        part = rows.slice(start, step).combine_chunks().to_batches()[0]
        records.add(part, np.arange(start, start + part.num_rows) * 2, risk[start:start + part.num_rows])
    records.add_history(history)
    return records


def expected(tables, column, value, alerted):
    """The last records of an entity by pandas, in order of time, then as they came."""
    history, rows, risk = (each.to_pandas() if isinstance(each, pa.Table) else each for each in tables)
    rows = rows.assign(risk=np.round(risk, 3), alert=np.isin(np.arange(N_ROWS) * 2, alerted))
    every = pd.concat([history.assign(risk=np.nan, alert=False), rows], ignore_index=True)
    mine = every[every[column] == value].sort_values("at", kind="stable").tail(LAST)
    return [{"time": at.isoformat(), "key": str(key), "amount": None if np.isnan(paid) else paid,
             "risk": None if np.isnan(one) else one, "alert": bool(alert)}
            for at, key, paid, one, alert in zip(mine["at"], mine["id"], mine["paid"], mine["risk"], mine["alert"],
                                                 strict=True)]


@pytest.mark.parametrize(("column", "entities"), [("card", [3, 7]), ("shop", ["b'"])])
def test_pasts_are_the_last_records_that_pandas_finds(tables, column, entities):
    alerted = np.array([0, 10, 200, 4_002])
    records = spooled(tables)
    try:
        found = list(records.of(column, entities, alerted, {}, "run"))
    finally:
        records.__exit__()
    assert [past.entity for past in found] == [str(entity) for entity in entities]
    for past, entity in zip(found, entities, strict=True):
        assert past.records == expected(tables, column, entity, alerted)
        assert past.entity_column == column
        assert (len(past.records), past.run_id, past.similar) == (LAST, "run", [])


def test_records_without_a_time_come_in_the_order_of_the_file(tables):
    schema = Schema(tuple(column for column in SCHEMA.columns if column.name not in ("at", "id")))
    records = spooled(tables, schema, amount=None)
    try:
        found = next(iter(records.of("shop", ["a"], np.zeros(0, int), {"a": [{"entity": "c"}]}, "run")))
    finally:
        records.__exit__()
    shop, risk = tables[1]["shop"].to_pandas(), np.round(tables[2], 3)
    assert [line["risk"] for line in found.records] == risk[shop == "a"][-LAST:].tolist()
    assert {(line["time"], line["key"], line["amount"]) for line in found.records} == {(None, None, None)}
    assert found.similar == [{"entity": "c"}]


def test_nothing_is_left_on_disk_and_no_record_has_no_past():
    with PastRecords(SCHEMA, None) as records:
        folder = records._folder.path
        assert list(records.of("card", [1], np.zeros(0, int), {}, "run")) == []
    assert not pd.io.common.file_exists(folder)
