"""Frames whose columns hold what no Arrow type holds together."""

import decimal

import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Kind, Schema
from anomaly_cl.table.read import open_rows, read_table

SCHEMA = Schema((Column("a", Kind.CATEGORICAL, "string"),))


@pytest.mark.parametrize(("values", "read"), [
    ([decimal.Decimal("Infinity"), ","], ["Infinity", ","]), ([1, "x", None], ["1", "x", None]),
    (["\ud83d"], ["\\ud83d"]), ([2**70, "x"], [str(2**70), "x"]),
    ([decimal.Decimal("sNaN"), "x"], [None, "x"]), ([[1.0], "x"], ["[1.0]", "x"]),
])
def test_objects_of_any_sort_are_read_as_text(values, read):
    frame = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    assert read_table(frame, SCHEMA).column("a").to_pylist() == read


def test_ten_thousand_names_given_twice_are_told_in_few_words():
    with pytest.raises(InputError, match="unique") as told:
        open_rows(pa.table([pa.array([1])] * 20_000, [f"c{i // 2}" for i in range(20_000)]))
    assert len(str(told.value)) < 2_000


@pytest.mark.parametrize("name", ["a\x85b", "a\u2028b", "a\u2029b", "a\nb", " a ", "\ufeffa", "\U0001f600"])
def test_a_name_is_the_same_once_written_and_read(name):
    schema = Schema((Column(name, Kind.CATEGORICAL, "string"),))
    assert Schema.from_yaml(schema.to_yaml()) == schema
