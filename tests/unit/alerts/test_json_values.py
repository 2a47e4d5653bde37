"""Values of records as JSON."""

from __future__ import annotations

import enum
import json
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cl.alerts.json_values import json_text, json_value, value_text

COLOUR = enum.StrEnum("COLOUR", {"RED": "red"})
ID = uuid.UUID(int=5)


@pytest.mark.parametrize(("value", "expected"), [
    (None, None), (float("nan"), None), (np.float32("nan"), None), (pd.NaT, None), (pd.NA, None),
    (np.datetime64("NaT"), None), (np.timedelta64("NaT"), None), (Decimal("NaN"), None), (Decimal("sNaN"), None),
    (True, True), (np.True_, True), (7, 7), (2**70, 2**70), (np.int8(-3), -3), (np.uint64(2**64 - 1), 2**64 - 1),
    (1.5, 1.5), (np.float32(1.5), 1.5), (np.float16(0.5), 0.5), (np.longdouble(2.5), 2.5), (Fraction(1, 4), 0.25),
    (math.inf, "Infinity"), (-np.inf, "-Infinity"), (Decimal("-Infinity"), "-Infinity"),
    (Decimal("0.10"), 0.1), (Decimal("4310.25"), 4310.25),
    (Decimal("12345678901234567890.12"), "12345678901234567890.12"),
    (Decimal("1e400"), "1E+400"), (Decimal("1e-400"), "1E-400"),
    (datetime(2018, 8, 8, 3, 12), "2018-08-08T03:12:00"),
    (datetime(2018, 8, 8, 3, 12, tzinfo=UTC), "2018-08-08T03:12:00+00:00"),
    (pd.Timestamp("2018-08-08 03:12:00.5"), "2018-08-08T03:12:00.500000"),
    (np.datetime64("2018-08-08T03:12"), "2018-08-08T03:12"), (date(2018, 8, 8), "2018-08-08"),
    (time(3, 12), "03:12:00"),
    (timedelta(minutes=1.5), 90.0), (np.timedelta64(1500, "ms"), 1.5), (pd.Timedelta("1min"), 60.0),
    (b"\x00\xff", "00ff"), (bytearray(b"a"), "61"), (memoryview(b"a"), "61"), (np.bytes_(b"a"), "61"),
    ("", ""), (np.str_("ü"), "ü"), (COLOUR.RED, "red"), (ID, str(ID)),
    ([1, (2, None)], [1, [2, None]]), (np.array([[1.0, np.nan]]), [[1.0, None]]), (np.array(3), 3),
    (np.array(["2018-08-08", "NaT"], "datetime64[D]"), ["2018-08-08", None]),
    ({"a": {1: np.int64(2)}}, {"a": {"1": 2}}), (MappingProxyType({"a": [b""]}), {"a": [""]}),
])
def test_each_kind_of_value_has_one_meaning_in_json(value, expected):
    result = json_value(value)
    assert result == expected
    assert type(result) is type(expected)
    assert json.loads(json_text(value)) == expected


SCALARS = (st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals()
           | st.datetimes() | st.timedeltas() | st.dates() | st.complex_numbers())


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_record_becomes_strict_json_and_stays_the_same_when_converted_again(value):
    once = json_value(value)
    assert json_value(once) == once
    assert json.loads(json.dumps(once, allow_nan=False)) == once


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_decimal_is_lost(value):
    stored = json_value(value)
    assert Decimal(stored if isinstance(stored, str) else repr(stored)) == value


def test_the_value_given_is_not_changed():
    record = {"a": [np.nan, {"b": b"x"}]}
    json_value(record)
    assert list(record) == ["a"]
    assert record["a"][1] == {"b": b"x"}


def test_the_text_of_a_value_is_what_its_json_says():
    for value in (4310.25, 1e-5, 1e22, 7, -(2**70), True, Decimal("0.10"), np.float32(0.1), np.int64(3)):
        assert value_text(value) == json_text(value)
    assert value_text("a \"b\"") == "a \"b\""
    assert value_text(datetime(2018, 8, 8, 3)) == "2018-08-08T03:00:00"
    assert [value_text(value) for value in (None, float("nan"), [1], {"a": 1})] == [None] * 4
