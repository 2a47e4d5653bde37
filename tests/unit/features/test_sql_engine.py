from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.features.sql_engine import DuckDBEngine, SparkEngine

NUMBERS = pa.table({"row": range(200_000)})


def test_a_query_joins_the_tables_it_is_given():
    left, right = pa.table({"id": [1, 2]}), pa.record_batch({"id": [2, 3], "value": ["b", "c"]})
    found = DuckDBEngine().run("SELECT value FROM l JOIN r USING (id)", {"l": left, "r": right}).read_all()
    assert found.to_pylist() == [{"value": "b"}]


def test_a_stream_can_be_read_twice_by_the_query():
    stream = pa.RecordBatchReader.from_batches(NUMBERS.schema, iter(NUMBERS.to_batches(1_000)))
    query = "SELECT sum(a.row) AS total FROM s AS a JOIN s AS b USING (row)"
    assert DuckDBEngine().run(query, {"s": stream}).read_all().to_pylist() == [{"total": sum(range(200_000))}]


def test_what_does_not_fit_the_memory_is_spilled_and_what_was_spilled_is_removed(tmp_path):
    numbers = pa.table({"row": range(400_000)})
    wide = ", ".join(f"row + {i} AS c{i}" for i in range(40))
    engine = DuckDBEngine(temp_folder=tmp_path, memory_limit="80MB", threads=1)
    reader = engine.run(f"SELECT {wide} FROM n ORDER BY hash(row)", {"n": numbers})
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) > 10_000_000
    assert sum(pc.sum(batch["c0"]).as_py() for batch in reader) == sum(range(400_000))
    assert not list(tmp_path.iterdir())


def test_what_was_spilled_is_removed_when_the_stream_is_dropped(tmp_path):
    reader = DuckDBEngine(temp_folder=tmp_path).run("SELECT row FROM n", {"n": NUMBERS})
    reader.read_next_batch()
    del reader
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("query", [
    "SELECT * FROM '{file}'", "SELECT * FROM read_text('{file}')", "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM glob('{file}')", "ATTACH '{file}'", "COPY n TO '{file}'", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "SET memory_limit = '9GB'", "SELECT * FROM outside",
    "SELECT * FROM read_text('https://example.org')",
])
def test_a_query_reaches_nothing_but_its_tables(query, tmp_path):
    outside = NUMBERS
    file = tmp_path / "secret.csv"
    file.write_text("secret\n1\n")
    with pytest.raises(UsageError, match="DuckDB can run"):
        DuckDBEngine().run(query.format(file=file), {"n": outside}).read_all()
    assert file.read_text() == "secret\n1\n"


def test_a_slow_query_draws_no_bar_among_the_results_of_a_command():
    told = DuckDBEngine().run("SELECT current_setting('enable_progress_bar') AS bar", {}).read_all()
    assert told.to_pylist() == [{"bar": False}]


def test_an_error_in_the_midst_of_the_stream_is_told():
    query = "SELECT CASE WHEN row = 199999 THEN CAST(error('too late') AS INT) END AS x FROM n"
    with pytest.raises(UsageError, match="too late"):
        DuckDBEngine().run(query, {"n": NUMBERS}).read_all()


def test_sums_between_exact_and_inexact_do_not_depend_on_the_order():
    values = [0.1, 1e15, -1e15, 0.2, 3e-9] * 50
    query = "SELECT inexact(sum(exact(x))) AS total FROM v"
    totals = {DuckDBEngine().run(query, {"v": pa.table({"x": some})}).read_all()["total"][0].as_py()
              for some in (values, values[::-1], sorted(values))}
    assert len(totals) == 1
    assert totals.pop() == pytest.approx(50 * (0.1 + 0.2 + 3e-9), rel=1e-12)


def test_spark_that_is_not_installed_is_named_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(UsageError, match=r"anomaly_cl\[spark\]"):
        SparkEngine()
