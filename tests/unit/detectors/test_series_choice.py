"""Whether a table is made of series."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.detectors.series_choice import has_series_columns, is_series, series_by
from anomaly_cl.schema import Column, Schema

AT, VALUE = Column("at", "datetime", "timestamp[us]", "time"), Column("value", "numeric", "double")
WHO, KEY = Column("who", "categorical", "string"), Column("id", "numeric", "int64", "key")
SCHEMA = Schema((AT, VALUE))


def table(seconds, **more):
    at = (pd.Timestamp("2026-01-01") + pd.to_timedelta(np.asarray(seconds), unit="s")).floor("ms")
    values = np.random.default_rng(0).normal(size=len(at))
    return pa.table({"at": pa.array(at).cast(pa.timestamp("us")), "value": values, **more})


@pytest.mark.parametrize(("columns", "may"), [
    ((AT, VALUE), True), ((AT, VALUE, Column("more", "numeric", "double")), True), ((VALUE,), False), ((AT,), False),
    ((AT, VALUE, KEY), False), ((AT, VALUE, WHO), False), ((AT, VALUE, Column("note", "text", "string")), False),
    ((AT, VALUE, Column("who", "categorical", "string", "entity")), True),
    ((AT, VALUE, Column("who", "categorical", "string", "segment")), False),
    ((AT, VALUE, *(Column(name, "categorical", "string", "entity") for name in ("who", "where"))), False),
    ((AT, VALUE, Column("bad", "numeric", "int64", "label"), Column("kind", "text", "string", "ignore")), True),
])
def test_series_have_a_time_no_key_and_only_numbers(columns, may):
    assert has_series_columns(Schema(columns)) is may


def test_regular_steps_with_a_few_gaps_are_a_series_in_any_order():
    rng = np.random.default_rng(1)
    seconds = np.delete(np.arange(500) * 60, rng.integers(0, 500, 20))
    assert is_series(table(seconds), SCHEMA)
    assert is_series(table(rng.permutation(seconds)), SCHEMA)


@pytest.mark.parametrize("seconds", [
    np.sort(np.random.default_rng(0).uniform(0, 1e6, 500)),
    np.repeat(np.arange(250) * 60, 2),
    np.flatnonzero(np.random.default_rng(0).random(900) < 0.55) * 86_400,
    np.arange(20) * 60,
    [0, 60],
], ids=["any time", "two a step", "days, of which some are missing", "too short", "two rows"])
def test_what_has_no_steady_pace_is_none(seconds):
    assert not is_series(table(seconds), SCHEMA)


def test_rows_of_several_are_series_by_the_column_that_tells_them_apart():
    rows = table(np.repeat(np.arange(100) * 60, 2), who=["a", "b"] * 100)
    named = series_by(Schema((AT, VALUE, WHO)))
    assert named is not None
    assert [column.name for column in named.with_role("entity")] == ["who"]
    assert is_series(rows, named)
    assert not is_series(rows.drop_columns("who"), SCHEMA)


@pytest.mark.parametrize("columns", [
    (AT, VALUE), (AT, VALUE, WHO, Column("where", "categorical", "string")), (AT, WHO), (AT, VALUE, WHO, KEY),
    (AT, VALUE, WHO, Column("where", "categorical", "string", "entity")),
])
def test_no_column_is_proposed_where_it_is_not_clear(columns):
    assert series_by(Schema(columns)) is None
