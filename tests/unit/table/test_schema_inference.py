"""Kinds and roles proposed from the values, the names and the order of the rows."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Schema
from anomaly_cl.table.infer import infer_schema
from anomaly_cl.table.read import open_rows, read_table

SHARED = Path(__file__).parents[4] / "shared" / "data"
RNG = np.random.default_rng(7)
N = 2_000
AMOUNTS = RNG.lognormal(3, 1, N).round(2)
START = datetime(2018, 7, 25)
TIMES = [START + timedelta(seconds=int(s)) for s in np.sort(RNG.integers(0, 7 * 86_400, N))]
SECONDS = np.array([int((t - START).total_seconds()) for t in TIMES])


def roles(**columns) -> dict[str, tuple[str, str]]:
    schema = infer_schema(pa.table(columns))
    assert all(column.reason for column in schema.columns)
    return {column.name: (column.kind.value, column.role.value) for column in schema.columns}


def role(name, values, **others):
    return roles(**{name: values}, **others)[name]


def transactions(rows=slice(None)) -> pa.Table:
    return pa.table({
        "TRANSACTION_ID": np.arange(5_000, 5_000 + N), "TX_DATETIME": TIMES, "CUSTOMER_ID": RNG.integers(0, 300, N),
        "TERMINAL_ID": RNG.integers(0, 500, N), "TX_AMOUNT": AMOUNTS, "TX_TIME_SECONDS": SECONDS,
        "TX_TIME_DAYS": SECONDS // 86_400, "TX_FRAUD": (RNG.random(N) < 0.01).astype(int),
        "TX_FRAUD_SCENARIO": RNG.integers(0, 4, N),
    }).to_pandas().iloc[rows].pipe(pa.Table.from_pandas, preserve_index=False)


TRANSACTION_ROLES = {
    "TRANSACTION_ID": "key", "TX_DATETIME": "time", "CUSTOMER_ID": "entity", "TERMINAL_ID": "entity",
    "TX_AMOUNT": "feature", "TX_TIME_SECONDS": "ignore", "TX_TIME_DAYS": "ignore", "TX_FRAUD": "label",
    "TX_FRAUD_SCENARIO": "ignore",
}


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_week_of_transactions_is_understood_sorted_or_not(shuffled):
    schema = infer_schema(transactions(RNG.permutation(N) if shuffled else slice(None)))
    assert {column.name: column.role.value for column in schema.columns} == TRANSACTION_ROLES
    assert schema["TX_TIME_DAYS"].reason.startswith("time-like")
    assert schema["TRANSACTION_ID"].type == schema["CUSTOMER_ID"].type == "int64"
    assert schema["TX_DATETIME"].type == "timestamp[us]"


def test_text_files_and_typed_tables_give_the_same_schema(tmp_path):
    table = transactions()
    table.to_pandas().to_csv(tmp_path / "rows.csv", index=False)
    pq.write_table(table, tmp_path / "rows.parquet")
    from_text, typed = (open_rows(tmp_path / name).schema for name in ("rows.csv", "rows.parquet"))
    assert from_text == typed
    assert read_table(tmp_path / "rows.csv").equals(read_table(tmp_path / "rows.parquet"))


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is absent")
@pytest.mark.parametrize("where", ["true", "TX_DATETIME >= '2018-07-25' AND TX_DATETIME < '2018-08-01'"])
def test_the_handbook_file_is_understood_as_a_whole_and_week_by_week(where):
    table = read_table(SHARED / "handbook" / "transactions.parquet", where=where, limit=200_000)
    assert {column.name: column.role.value for column in infer_schema(table).columns} == TRANSACTION_ROLES


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is absent")
def test_insurance_claims_keep_their_features():
    schema = open_rows(SHARED / "claims" / "auto_claims.parquet").schema
    assert {c.name: c.role.value for c in schema.columns if c.role.value != "feature"} == {
        "FraudFound_P": "label", "PolicyNumber": "key"}
    assert {c.name for c in schema.learned if c.kind == "numeric"} == {
        "WeekOfMonth", "WeekOfMonthClaimed", "Age", "Deductible", "DriverRating", "Year"}


@pytest.mark.parametrize(("name", "values"), [
    ("Age", RNG.integers(18, 90, N)), ("Year", np.sort(RNG.integers(1994, 1997, N))),
    ("age", np.sort(RNG.integers(18, 90, N))),
    ("Deductible", RNG.choice([300, 400, 500, 700], N)), ("DriverRating", RNG.integers(1, 5, N)),
    ("NumberOfCars", RNG.integers(1, 9, N)), ("amount", np.sort(AMOUNTS)), ("score", np.sort(RNG.normal(size=N))),
    ("uniform", np.sort(RNG.random(N))), ("paid", RNG.integers(0, 10**6, N)), ("valid", RNG.integers(0, 9, N)),
    ("hour", SECONDS // 3600 % 24), ("weekday", SECONDS // 86_400), ("account_age_days", RNG.integers(0, 4000, N)),
    ("balance", np.full(N, 7.0)), ("income", np.round(AMOUNTS * 10_000).astype(int)), ("x7", np.arange(N)),
    ("V1", np.sort(RNG.random(N))), ("time_since_last", RNG.integers(0, 10**6, N)),
    ("merchant_lat", RNG.normal(size=N)),
    ("fraud_score", RNG.random(N)),
    ("ratio", np.where(RNG.random(N) < 0.1, np.inf, np.sort(AMOUNTS))),
    ("num_transactions", RNG.integers(0, 50, N)), ("y", RNG.normal(size=N)),
])
def test_measurements_stay_numeric_features(name, values):
    assert role(name, values) == ("numeric", "feature")


@pytest.mark.parametrize("name", ["weekday", "hour"])
def test_parts_of_the_calendar_stay_features_beside_a_clock(name):
    assert role(name, SECONDS // 86_400, TX_DATETIME=TIMES) == ("numeric", "feature")


@pytest.mark.parametrize(("name", "values"), [
    ("CUSTOMER_ID", RNG.integers(0, 300, N)), ("CardNo", RNG.integers(0, 300, N)),
    ("customerid", RNG.integers(0, 300, N)),
    ("account", RNG.integers(0, 300, N)), ("cc_num", RNG.integers(10**15, 10**16, 300)[RNG.integers(0, 300, N)]),
    ("merchant", [f"Shop {i}" for i in RNG.integers(0, 300, N)]),
    ("customer", [f"C{i:06d}" for i in RNG.integers(0, 300, N)]),
    ("nameDest", [f"M{i:09d}" for i in RNG.integers(0, 300, N)]), ("device_id", RNG.choice([1.0, 2.0, np.nan], N)),
    ("terminal_id", pa.array(RNG.integers(0, 9, N)).cast(pa.string()).dictionary_encode()),
    ("session", [str(uuid.UUID(int=int(i))) for i in RNG.integers(0, 500, N)]),
])
def test_repeating_identifiers_are_entities(name, values):
    assert role(name, values) == ("categorical", "entity")


@pytest.mark.parametrize(("name", "values"), [
    ("RepNumber", RNG.integers(1, 17, N)), ("type_id", RNG.integers(1, 9, N)), ("country_code", RNG.integers(1, 60, N)),
    ("device", RNG.choice(["phone", "desktop"], N)), ("city", [f"City {i}" for i in RNG.integers(0, 300, N)]),
    ("is_night", RNG.random(N) < 0.5), ("zip", [f"0{i}" for i in RNG.integers(1000, 1040, N)]),
    ("claims", RNG.choice(["none", "1", "2", "3"], N, p=[0.08, 0.3, 0.32, 0.3])), ("store", RNG.choice(list("abc"), N)),
])
def test_codes_of_a_few_values_and_repeating_words_are_categories(name, values):
    assert role(name, values) == ("categorical", "feature")


def test_the_best_named_unique_column_is_the_key_and_the_others_are_ignored():
    unique = RNG.permutation(10**6)[:N]
    hashes, refs = [f"{i:032x}" for i in range(N)], [f"r{i}" for i in unique]
    assert roles(amount=AMOUNTS, row_hash=hashes, INVOICE_ID=unique, ref=refs) == {
        "amount": ("numeric", "feature"), "row_hash": ("categorical", "ignore"), "INVOICE_ID": ("numeric", "key"),
        "ref": ("categorical", "ignore")}
    assert role("uuid", [str(uuid.UUID(int=i)) for i in range(N)]) == ("categorical", "key")
    assert role("PolicyNumber", np.arange(1, N + 1)) == ("numeric", "key")
    assert role("shuffled", RNG.permutation(N)) == ("numeric", "key")
    assert role("PolicyNumber", np.r_[np.arange(1, N - 4), [5, 6, 7, 8, 9]]) == ("numeric", "key")


@pytest.mark.parametrize(("name", "values"), [
    ("row", np.arange(N)), ("Unnamed: 0", np.arange(N)), ("n", np.arange(N)), ("epoch", 1_530_000_000 + SECONDS),
    ("Time", SECONDS.astype(float)), ("step", np.arange(N) // 90), ("measured", np.arange(N) / 10),
    ("countdown", np.arange(N)[::-1]),
])
def test_numbers_that_tick_with_the_order_of_the_rows_are_time_like(name, values):
    schema = infer_schema(pa.table({name: values, "amount": AMOUNTS}))
    assert schema[name].role == "ignore"
    assert schema[name].reason.startswith("time-like")


def test_numbers_that_grow_with_the_time_column_are_time_like_in_any_order():
    shuffled = RNG.permutation(N)
    meter = np.cumsum(RNG.exponential(size=N))
    times = pa.array([TIMES[i] for i in shuffled])
    assert role("meter", meter[shuffled], when=times) == ("numeric", "ignore")
    assert role("Year", 2018 + (SECONDS // 86_400)[shuffled], when=times) == ("numeric", "ignore")


@pytest.mark.parametrize(("name", "values", "expected"), [
    ("is_fraud", [0, 1] * 50, "label"), ("isFraud", [False, True] * 50, "label"), ("Class", [0.0, 1.0] * 50, "label"),
    ("label", ["normal", "attack"] * 50, "label"), ("outlier", [0] * 100, "label"), ("y", [0, 1] * 50, "label"),
    ("fraud_type", ["a", "b"] * 50, "ignore"), ("label", ["a", "b", "c", "d"] * 25, "ignore"),
    ("VehicleClass", ["a", "b", "c", "d"] * 25, "feature"), ("Fault", ["a", "b"] * 50, "feature"),
])
def test_labels_are_proposed_by_name_and_number_of_values(name, values, expected):
    assert role(name, values)[1] == expected


def test_the_first_date_that_may_be_the_event_is_the_time_and_the_others_are_features():
    dates = [datetime(1980, 1, 1) + timedelta(days=int(i)) for i in RNG.integers(0, 9999, N)]
    assert roles(date_of_birth=dates, opened=dates, happened=TIMES, updated_at=TIMES) == {
        "date_of_birth": ("datetime", "feature"), "opened": ("datetime", "feature"), "happened": ("datetime", "time"),
        "updated_at": ("datetime", "feature")}
    assert roles(a=dates, timestamp=TIMES)["timestamp"] == ("datetime", "time")
    assert role("date_of_birth", dates) == ("datetime", "feature")


@pytest.mark.parametrize(("text", "order"), [
    (["2018-07-25 10:00:00", "2018-07-26T11:30:00Z"], None), (["25/07/2018", "03/04/2018"], "dmy"),
    (["07/25/2018", "03/04/2018"], "mdy"), (["03/04/2018", "05/06/2018"], "mdy"),
    (["25.07.2018 13:00", "1.2.2018 9:00"], "dmy"),
    (["25-Jul-2018", "3-Apr-2018"], None),
])
def test_dates_in_text_are_recognised_with_their_order(text, order):
    schema = infer_schema(pa.table({"day": text * 50}))
    column = schema["day"]
    assert Schema.from_yaml(schema.to_yaml()) == schema
    assert (column.kind, column.role, column.date_order) == ("datetime", "time", order)


def test_a_few_bad_cells_do_not_hide_numbers_or_dates():
    numbers = [f"{value}" for value in AMOUNTS[:100]]
    numbers[3], numbers[50], numbers[70] = "oops", "", "12,5"
    dates = [str(t) for t in TIMES[:100]]
    dates[7] = "yesterday"
    assert roles(amount=numbers, when=dates) == {"amount": ("numeric", "feature"), "when": ("datetime", "time")}


def test_free_text_vectors_nested_and_empty_columns_have_their_kinds():
    words = np.array(["coffee", "rent", "refund", "of", "the", "old", "green", "bicycle", "from", "my", "aunt"])
    found = roles(
        note=[" ".join(RNG.choice(words, 6)) + f" {i}" for i in range(N)], image=pa.array(RNG.random((N, 3)).tolist()),
        ragged=[[1.0] * (i % 3) for i in range(N)], nested=[{"a": i} for i in range(N)], nothing=pa.nulls(N),
        blank=[""] * N, nan=np.full(N, np.nan), blob=[b"\xff"] * N, money=[Decimal(f"{a:.2f}") for a in AMOUNTS],
        customer_id=pa.array(RNG.integers(0, 99, N)).cast(pa.decimal128(38, 0)),
        waited=pa.array([1] * N, pa.duration("s")),
    )
    assert found == {
        "note": ("text", "feature"), "image": ("vector", "feature"), "ragged": ("text", "ignore"),
        "nested": ("text", "ignore"), "nothing": ("categorical", "ignore"), "blank": ("categorical", "ignore"),
        "nan": ("numeric", "ignore"), "blob": ("text", "ignore"), "money": ("numeric", "feature"),
        "customer_id": ("categorical", "entity"), "waited": ("text", "ignore"),
    }


def test_tiny_tables_lose_no_column_but_those_so_named():
    rows = {"amount": [1.0, 2.0, 3.5, 4.0], "n": [1, 2, 3, 4], "word": ["a", "b", "c", "d"], "age": [30, 40, 50, 60]}
    assert {r for _, r in roles(**rows).values()} == {"feature"}
    assert roles(id=[7, 3, 9, 1], customer_id=[1, 2, 3, 4], seconds=[1, 5, 9, 12], **rows) == {
        "id": ("numeric", "key"), "customer_id": ("categorical", "entity"), "seconds": ("numeric", "ignore"),
        **roles(**rows)}
    assert role("amount", [3.5]) == ("numeric", "feature")


@pytest.mark.parametrize("seed", range(3))
def test_unnamed_arrays_never_lose_a_column(seed):
    rng = np.random.default_rng(seed)
    columns = [np.arange(200), np.sort(rng.normal(size=200)), rng.permutation(200), rng.integers(0, 2, 200),
               np.ones(200)]
    schema = open_rows(np.column_stack(columns).astype(float)).schema
    assert {(c.kind.value, c.role.value) for c in schema.columns} == {("numeric", "feature")}


def test_every_inferred_schema_survives_yaml_and_reads_its_own_table():
    table = transactions()
    schema = infer_schema(table)
    assert Schema.from_yaml(schema.to_yaml()) == schema
    out = read_table(table, schema)
    assert out.num_rows == N
    assert [str(field.type) for field in out.schema] == [column.type for column in schema.columns]
    assert pc.sum(out["TX_AMOUNT"]).as_py() == pytest.approx(AMOUNTS.sum())


def test_a_table_without_rows_or_with_twin_columns_is_refused():
    with pytest.raises(InputError, match="rows"):
        infer_schema(pa.table({"a": pa.array([], pa.int64())}))
    with pytest.raises(InputError, match="unique"):
        infer_schema(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]))
