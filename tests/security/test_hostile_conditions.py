"""Conditions of --where that try to reach what is not theirs, or to keep the program busy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.table import filter as filtering
from anomaly_cl.table.filter import RowFilter
from anomaly_cl.table.read import read_table

ROWS = pa.record_batch({"amount": [1.0, 2.0, 3.0], "shop": ["a", "b", "c"]})
secret_of_this_module = pa.table({"word": ["hidden"]})

READS = [
    "EXISTS (FROM read_csv('{file}'))", "EXISTS (FROM '{file}')", "(SELECT count(*) FROM read_text('{file}')) > 0",
    "(SELECT count(*) FROM read_parquet('{folder}/*.parquet')) > 0", "length(read_text('{file}')) > 0",
    "read_blob('{file}') IS NOT NULL", "glob('{folder}/*') IS NOT NULL", "EXISTS (FROM glob('{folder}/*'))",
    "amount IN (FROM read_json('{file}'))", "EXISTS (FROM secret_of_this_module)",
    "EXISTS (FROM duckdb_settings())", "EXISTS (FROM pragma_database_list())", "EXISTS (FROM sniff_csv('{file}'))",
    "EXISTS (FROM 'http://127.0.0.1:9/x.parquet')", "EXISTS (FROM sqlite_scan('{file}', 'a'))",
    "getenv('HOME') <> ''", "amount = (SELECT 1)", "amount IN (VALUES (1))", "EXISTS (FROM query('SELECT 1'))",
    "(WITH x AS (FROM '{file}') SELECT count(*) FROM x) > 0", "amount > ANY (SELECT 1)", "[x FOR x IN (SELECT 1)] = []",
]
STATEMENTS = [
    "COPY (SELECT 1) TO '{folder}/out.csv'", "COPY rows TO '{folder}/out.csv'", "ATTACH '{folder}/out.db' AS other",
    "EXPORT DATABASE '{folder}/out'", "INSTALL httpfs", "LOAD httpfs", "LOAD '{file}'", "PRAGMA database_list",
    "SET enable_external_access = true", "SET lock_configuration = false", "SET temp_directory = '{folder}/out'",
    "CREATE TABLE other AS SELECT 1", "DROP VIEW rows", "CALL pragma_version()", "CREATE SECRET s (TYPE s3)",
    "SELECT 1", "PREPARE p AS SELECT 1", "CHECKPOINT", "EXPLAIN ANALYZE SELECT 1", "INSERT INTO rows VALUES (1, 'a')",
]
FORMS: list[Callable[[str], str]] = [
    lambda statement: statement, lambda statement: f"true; {statement}", lambda statement: f"true) ; {statement}; --",
    lambda statement: f"true /* */ ; {statement} --", lambda statement: f"true\n)\n;\n{statement};\nSELECT (\ntrue",
]


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "secret.csv").write_text("a\nhidden\n")
    pq.write_table(pa.table({"a": ["hidden"]}), tmp_path / "secret.parquet")
    return {"file": tmp_path / "secret.csv", "folder": tmp_path}


def kept(condition: str) -> list[bool]:
    with RowFilter(condition, ROWS.schema) as rows:
        return rows.keeps(ROWS).tolist()


@pytest.mark.parametrize("condition", READS)
def test_a_condition_reads_nothing_but_its_row(condition: str, place: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="row filter") as refused:
        kept(condition.format(**place))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_condition_is_no_statement(statement: str, place: dict[str, Path]) -> None:
    before = sorted(place["folder"].iterdir())
    for form in FORMS:
        with pytest.raises(UsageError, match="row filter"):
            kept(form(statement.format(**place)))
    assert sorted(place["folder"].iterdir()) == before


@pytest.mark.parametrize("query", [
    "FROM read_text('{file}')", "FROM '{file}'", "FROM glob('{folder}/*')", "FROM '{folder}/secret.parquet'",
    "COPY (SELECT 1) TO '{folder}/out.csv'", "ATTACH '{folder}/out.db'", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "SET memory_limit = '1TB'", "RESET lock_configuration",
    "FROM secret_of_this_module", "EXPORT DATABASE '{folder}/out'", "FROM 'http://127.0.0.1:9/x.parquet'",
])
def test_even_a_statement_that_got_through_would_reach_nothing(query: str, place: dict[str, Path]) -> None:
    """The connection is the second wall, behind the check of the text."""
    before = sorted(place["folder"].iterdir())
    with (duckdb.connect(":memory:", config=filtering._SETTINGS) as connection,
          pytest.raises(duckdb.Error) as refused):
        connection.execute(query.format(**place)).fetchall()
    assert "hidden" not in str(refused.value)
    assert sorted(place["folder"].iterdir()) == before


@pytest.mark.parametrize("condition", [
    "random() > 0.5", "RANDOM() > 0.5", "system.main.random() > 0.5", "uuid() <> shop", "amount > 1 OR random() > 0.5",
    "list_filter([1, 2], lambda x: random() > 0.5) = [1]", "pg_sleep(100) IS NULL", "sleep_ms(100000) IS NULL",
    "write_log(shop) IS NULL", "nextval('s') > 0", "setseed(amount) IS NULL", "current_query() = shop",
])
def test_whether_a_row_is_kept_is_no_matter_of_chance(condition: str) -> None:
    with pytest.raises(UsageError, match="row filter"):
        kept(condition)


def test_functions_of_the_row_and_of_the_day_are_allowed() -> None:
    assert kept("md5(shop) <> '' AND list_contains(['a', 'b'], lower(shop)) AND now() > TIMESTAMP '2020-01-01'") == [
        True, True, False]
    assert kept("date_add(DATE '2020-01-01', INTERVAL 1 DAY) = DATE '2020-01-02'") == [True] * 3


@pytest.mark.parametrize("condition", [
    "NOT " * 5_000 + "true", "(" * 5_000 + "true" + ")" * 5_000, "amount" + " + 1" * 5_000 + " > 0",
    "NOT " * 400 + "true", "amount" + " + 1" * 400 + " > 0", "CASE WHEN true THEN " * 300 + "true" + " END" * 300,
])
def test_a_condition_too_deep_is_refused(condition: str) -> None:
    with pytest.raises(UsageError, match="row filter"):
        kept(condition)


def test_a_long_condition_is_fine() -> None:
    assert kept("shop IN (" + ", ".join(f"'{number}'" for number in range(2_000)) + ", 'b')") == [False, True, False]
    assert kept(" OR ".join(["amount > 2"] * 200)) == [False, False, True]


LIMITED = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1_000_000_000, 1_000_000_000))
import pyarrow as pa
from anomaly_cl.errors import UsageError
from anomaly_cl.table.filter import RowFilter
rows = pa.record_batch({"shop": ["a", "b", "c"]})
def outcome(condition):
    try:
        with RowFilter(condition, rows.schema) as kept:
            return kept.keeps(rows).tolist()
    except UsageError as error:
        return error.value
print(json.dumps([outcome(condition) for condition in json.loads(sys.argv[1])]))
"""


def test_a_greedy_condition_is_refused_in_a_process_of_limited_memory() -> None:
    """DuckDB's own limit does not count the values of expressions; the process lives on when it gets no more."""
    greedy = ["length(repeat(shop, 1000000000)) > 0", "length(repeat(shop, 10000000000)) > 0",
              "len(range(1000000000000)) > 0"]
    found = subprocess.run([sys.executable, "-c", LIMITED, json.dumps([*greedy, "shop > 'a'"])], capture_output=True,
                           text=True, check=True)
    *refused, fine = json.loads(found.stdout)
    assert all(isinstance(told, str) and ("Memory" in told or "maximum" in told or "larger" in told)
               for told in refused), refused
    assert fine == [False, True, True]


def test_names_of_columns_are_names_only(tmp_path: Path) -> None:
    hostile = ['a"b', "x; DROP VIEW rows", "' OR 1=1 --", "rows", "select", "a)b(", "a\\b", "é \U0001f4a5"]
    file = tmp_path / "names.parquet"
    pq.write_table(pa.table([pa.array([1.0, 2.0])] * len(hostile), names=hostile), file)
    for name in hostile:
        quoted = '"' + name.replace('"', '""') + '"'
        assert read_table(file, where=f"{quoted} > 1").num_rows == 1
