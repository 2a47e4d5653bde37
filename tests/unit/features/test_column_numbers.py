import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.features.table_encoder import ENCODERS, column_numbers
from anomaly_cl.schema import Column, Kind, Schema

SCHEMA = Schema((
    Column("amount", "numeric", "double"), Column("channel", "categorical", "string"),
    Column("opened", "datetime", "timestamp[us]"), Column("shop", "text", "string"),
    Column("picture", "vector", "list<item: float>", size=3),
))


def table(n_rows=40, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table({
        "amount": pa.array(rng.normal(size=n_rows)), "channel": pa.array(rng.choice(["a", "b", "c"], n_rows)),
        "opened": pa.array(pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n_rows), unit="s")),
        "shop": pa.array(rng.choice(["GREEN GROCER", "BOOKS", "KIOSK 12"], n_rows)),
        "picture": pa.array(list(rng.normal(size=(n_rows, 3))), pa.list_(pa.float32(), 3)),
    })


def test_every_kind_of_column_has_a_number_for_each_row():
    assert {column.kind for column in SCHEMA.columns} == set(Kind) == set(ENCODERS)
    numbers = column_numbers(table(), SCHEMA.columns)
    assert numbers.shape == (40, 5)
    assert np.isfinite(numbers).all()
    assert [len(np.unique(column)) for column in numbers.T] == [40, 3, 40, 3, 40]


def test_numbers_of_a_row_do_not_depend_on_the_others():
    rows = table()
    whole = column_numbers(rows, SCHEMA.columns)
    one_by_one = np.concatenate([column_numbers(rows.slice(i, 1), SCHEMA.columns) for i in range(40)])
    np.testing.assert_array_equal(one_by_one, whole)


def test_numbers_are_the_value_and_the_time_of_day():
    rows = table()
    numbers = column_numbers(rows, SCHEMA.columns[:3])
    np.testing.assert_array_equal(numbers[:, 0], rows["amount"].to_numpy())
    opened = rows["opened"].to_pandas()
    np.testing.assert_array_equal(numbers[:, 2], (opened - opened.dt.normalize()).dt.total_seconds() * 1e6)


def test_missing_values_are_infinite():
    nothing = pa.table({name: pa.nulls(2, kind) for name, kind in zip(
        SCHEMA.names, (pa.float64(), pa.string(), pa.timestamp("us"), pa.string(), pa.list_(pa.float32(), 3)),
        strict=True)})
    assert np.isposinf(column_numbers(nothing, SCHEMA.columns)).all()
    assert np.isposinf(column_numbers(pa.table({"shop": [" "]}), [SCHEMA["shop"]])).all()
    assert column_numbers(table(0), SCHEMA.columns).shape == (0, 5)
    assert column_numbers(table(3), []).shape == (3, 0)
