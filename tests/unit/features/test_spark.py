"""The same query on Spark; skipped where pyspark or Java is not installed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import DuckDBEngine, SparkEngine
from anomaly_cl.features.window_sums import window_sums_sql
from anomaly_cl.schema import Column, Kind, Role, Schema
from tests.unit.features.slow_history import histories, made_up_records

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")
PLAN = HistoryPlan(("card", "shop"), ("amount",), ("channel",), rows=4, days=(1, 7))


@pytest.fixture(scope="module")
def engine(spark_engine):
    return spark_engine


def assert_alike(plan: HistoryPlan, spark: pa.Table, duckdb: pa.Table, tolerance: float) -> None:
    """Counts exactly, the rest within the tolerance, absolute or relative."""
    assert spark.schema == plan.schema == duckdb.schema
    for column in plan.columns:
        ours, theirs = (np.array(found[column.sql_name].to_pandas(), float) for found in (spark, duckdb))
        most = 0 if column.type == pa.int64() else tolerance
        np.testing.assert_allclose(ours, theirs, rtol=most, atol=most, err_msg=column.name)


def test_histories_on_spark_equal_those_of_duckdb(engine):
    table = made_up_records(PLAN, 400, 11)
    found = histories(PLAN, table, first_row=100, engine=engine)
    assert found["row"].to_pylist() == list(range(100, 400))
    assert_alike(PLAN, found, histories(PLAN, table, first_row=100), 1e-9)


def test_window_sums_on_spark_equal_those_of_duckdb(engine):
    rng = np.random.default_rng(0)
    records = pa.table({
        "row": np.arange(500), "micros": rng.integers(0, 300, 500) * 10**10,
        "e0": pa.array(rng.choice([None, "a", "b", "c"], 500), pa.string()),
        "evidence": rng.integers(0, 10**10, 500)})
    sql = window_sums_sql("records", ["e0"], ["evidence"], 7, first_row=20)
    spark, duckdb = (each.run(sql, {"records": records}).read_all() for each in (engine, DuckDBEngine()))
    assert spark == duckdb
    assert max(spark["e0_evidence"].to_pylist()) > 10**10


@pytest.mark.slow
def test_histories_of_many_card_transactions_on_spark_equal_those_of_duckdb(engine, shared_data):
    wanted = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT"]
    rows = pq.read_table(shared_data / "handbook" / "transactions.parquet", columns=wanted).slice(0, 200_000)
    schema = Schema((
        Column("TRANSACTION_ID", Kind.NUMERIC, "int64", Role.KEY),
        Column("TX_DATETIME", Kind.DATETIME, "timestamp[us]", Role.TIME),
        *(Column(name, Kind.CATEGORICAL, "int64", Role.ENTITY) for name in ("CUSTOMER_ID", "TERMINAL_ID")),
        Column("TX_AMOUNT", Kind.NUMERIC, "double"),
    ))
    plan = HistoryPlan.from_schema(schema)
    table = prepare_records(rows, schema, plan)
    assert_alike(plan, histories(plan, table, engine=engine), histories(plan, table), 1e-9)


def test_frames_and_arrow_data_are_tables_alike(engine):
    batch = pa.record_batch({"id": [1, 2], "value": ["a", "b"]})
    stream = pa.RecordBatchReader.from_batches(batch.schema, iter([batch]))
    frame = engine.session.createDataFrame([(2,)], "id long")
    query = "SELECT b.value FROM f JOIN b USING (id) JOIN s USING (id)"
    assert engine.run(query, {"f": frame, "b": batch, "s": stream}).read_all().to_pylist() == [{"value": "b"}]


def test_an_engine_takes_the_session_that_is_active(engine):
    assert SparkEngine().frame("SELECT exact(1) AS one", {}).collect() == [(1.0,)]
