"""Casting one batch to a schema."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table.conform import Rejected, conform
from anomaly_cl.table.dates import parse_datetimes

AMOUNT = Column("amount", "numeric", "double")


def batch(**columns):
    return pa.record_batch(columns)


def test_columns_come_in_schema_order_then_unknown_ones_unchanged():
    rows = batch(extra=pa.array([b"\xff", b"b"]), amount=["1", "2"], shop=["a", "b"])
    out, _, _ = conform(rows, Schema((Column("shop", "categorical", "string"), AMOUNT)))
    assert out.schema.names == ["shop", "amount", "extra"]
    assert out.column("extra").to_pylist() == [b"\xff", b"b"]


@pytest.mark.parametrize("values", [
    pa.array([1, 2, None], pa.int16()), pa.array([1.0, 2.0, float("nan")]), pa.array(["1", " 2.0 ", "NA"]),
    pa.array([Decimal("1.0"), Decimal("2.0"), None]), pa.array(["1", "2", ""]).dictionary_encode(),
    pa.array([b"1", b"2e0", None]), pa.array(["1", "2", None], pa.large_string()),
    pa.array(["1", "2", None], pa.string_view()),
])
def test_a_numeric_feature_is_float64_with_null_for_missing_whatever_its_type_was(values):
    out, _, rejected = conform(batch(amount=values), Schema((AMOUNT,)))
    assert out.column("amount").equals(pa.array([1.0, 2.0, None]))
    assert not rejected


@pytest.mark.parametrize(("kind", "values", "expected"), [
    ("categorical", pa.array([True, False, None]), ["true", "false", None]),
    ("categorical", pa.array(["True", "FALSE", ""]), ["true", "false", None]),
    ("categorical", pa.array([1.0, 2.5, float("nan")]), ["1", "2.5", None]),
    ("text", pa.array(["True", "b", None]).dictionary_encode(), ["True", "b", None]),
])
def test_categories_and_text_are_strings(kind, values, expected):
    out, _, _ = conform(batch(c=values), Schema((Column("c", kind, "string"),)))
    assert out.column("c").equals(pa.array(expected, pa.string()))


def test_identifiers_keep_their_own_type_and_accept_integers_written_as_floats():
    schema = Schema((Column("id", "numeric", "int64", "key"), Column("card", "categorical", "int64", "entity")))
    out, _, rejected = conform(batch(id=["1", "2.0", "x", "1.5"], card=[7.0, 8.0, 9.0, 9.0]), schema)
    assert out.to_pylist() == [{"id": 1, "card": 7}, {"id": 2, "card": 8}]
    assert [(row.row_number, row.rule) for row in rejected] == [(2, "not an integer"), (3, "not an integer")]


def test_long_identifiers_lose_no_digit():
    schema = Schema((Column("id", "numeric", "int64", "key"),))
    number = 2**53 + 1
    for values in ([str(number), "x"], pa.array([Decimal(number), None]), [number, None]):
        assert conform(batch(id=values), schema)[0].column("id")[0].as_py() == number


def test_an_unknown_date_order_is_refused():
    with pytest.raises(InputError, match="date_order"):
        Column("when", "datetime", "timestamp[us]", date_order="ymd")


def test_every_rule_names_row_column_and_raw_value():
    schema = Schema((
        Column("amount", "numeric", "double", missing="reject"), Column("when", "datetime", "timestamp[us]"),
        Column("shop", "categorical", "string"), Column("image", "vector", "list", size=2),
    ))
    rows = batch(
        amount=["1", "oops", "inf", "NaN", "5", "6", "7", "8"],
        when=["2020-01-01", "2020-01-01", "2020-01-01", "2020-01-01", "2020-02-30", "", "2020-01-01", "2020-01-01"],
        shop=[b"a", b"a", b"a", b"a", b"a", b"caf\xe9", b"a", b"a"],
        image=[[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1], [1, None]],
    )
    out, numbers, rejected = conform(rows, schema, np.arange(8) + 100, file="a.csv")
    assert numbers.tolist() == [100]
    assert out.to_pylist()[0]["image"] == [1.0, 2.0]
    assert rejected == [
        Rejected(101, "amount", "not a number", "oops", "a.csv"),
        Rejected(102, "amount", "infinite", "inf", "a.csv"),
        Rejected(103, "amount", "missing", "NaN", "a.csv"),
        Rejected(104, "when", "not a date and time", "2020-02-30", "a.csv"),
        Rejected(105, "shop", "broken encoding", "caf\\xe9", "a.csv"),
        Rejected(106, "image", "not a vector of 2 numbers", "[1]", "a.csv"),
        Rejected(107, "image", "not a vector of 2 numbers", "[1, None]", "a.csv"),
    ]


def test_a_row_with_two_bad_cells_is_rejected_once():
    schema = Schema((AMOUNT, Column("other", "numeric", "double")))
    _, _, rejected = conform(batch(amount=["x"], other=["y"]), schema)
    assert [row.column for row in rejected] == ["amount"]


def test_infinite_values_stay_where_the_schema_allows_them():
    column = Column("amount", "numeric", "double", infinite="allow")
    out, _, rejected = conform(batch(amount=[float("inf"), 1.0]), Schema((column,)))
    assert out.column("amount").to_pylist() == [float("inf"), 1.0]
    assert not rejected


def test_vectors_of_any_list_type_become_fixed_size_float32_and_missing_ones_stay_missing():
    column = Column("v", "vector", "list", size=2)
    for kind in (pa.list_(pa.int64()), pa.large_list(pa.float64()), pa.list_(pa.float16(), 2)):
        out, _, rejected = conform(batch(v=pa.array([[1, 2], None, [3, 4]], kind)), Schema((column,)))
        assert out.schema.field("v").type == pa.list_(pa.float32(), 2)
        assert out.column("v").to_pylist() == [[1.0, 2.0], None, [3.0, 4.0]]
        assert not rejected
    _, _, rejected = conform(batch(v=[[1.0, 2.0], [float("inf"), 0.0]]), Schema((column,)))
    assert [row.rule for row in rejected] == ["infinite"]


def test_labels_and_ignored_columns_may_be_absent_and_never_reject_a_row():
    schema = Schema((AMOUNT, Column("fraud", "numeric", "int64", "label"), Column("note", "text", "string", "ignore"),
                     Column("blob", "text", "struct<a: int64>", "ignore"), Column("n", "numeric", "int64", "ignore")))
    rows = batch(amount=[1, 2], fraud=["1", "maybe"], blob=[{"a": 1}, {"a": 2}], n=[{"a": 1}, {"a": 2}])
    out, _, rejected = conform(rows, schema)
    assert not rejected
    assert out.to_pylist() == [{"amount": 1.0, "fraud": 1, "blob": {"a": 1}, "n": None},
                               {"amount": 2.0, "fraud": None, "blob": {"a": 2}, "n": None}]


def test_a_missing_column_is_named_with_what_was_found_and_a_close_match():
    with pytest.raises(InputError, match=r"column 'amount' is missing; found \['Amout', 'ts'\]; rename 'Amout'"):
        conform(batch(Amout=[1], ts=[2]), Schema((AMOUNT,)))


def test_a_column_whose_type_cannot_be_meant_is_refused_as_a_whole():
    for name, kind, values in (("amount", "numeric", [[1], [2]]), ("when", "datetime", [1, 2]),
                               ("v", "vector", [1, 2]), ("shop", "categorical", [{"a": 1}, {"a": 2}])):
        column = Column(name, kind, "x", size=2 if kind == "vector" else None)
        with pytest.raises(InputError, match=f"column '{name}' must be {kind}"):
            conform(batch(**{name: values}), Schema((column,)))


def test_a_name_given_twice_is_refused():
    rows = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], ["amount", "amount"])
    with pytest.raises(InputError, match="unique"):
        conform(rows, Schema((AMOUNT,)))


def test_the_input_is_not_changed_and_rows_do_not_see_each_other():
    values = ["1", "x", "3", "inf", "", "5"] * 3
    rows = batch(amount=values)
    whole = conform(rows, Schema((AMOUNT,)))[0].column("amount").to_pylist()
    single = [value for i in range(len(values))
              for value in conform(rows.slice(i, 1), Schema((AMOUNT,)))[0].column("amount").to_pylist()]
    assert whole == single
    assert rows.column("amount").to_pylist() == values


@pytest.mark.parametrize(("text", "order", "expected"), [
    ("2018-07-25", None, "2018-07-25 00:00:00"),
    ("2018-07-25T01:02:03.123456789Z", None, "2018-07-25 01:02:03.123456"),
    ("2018-07-25 01:02:03+02:00", None, "2018-07-25 01:02:03"),
    ("2018/7/5 1:02", None, "2018-07-05 01:02:00"),
    ("25-Jul-18", None, "2018-07-25 00:00:00"),
    ("Wed, 25 July 2018 10:11:12 GMT", None, "2018-07-25 10:11:12"),
    ("Jul 3, 2018 12:01 AM", None, "2018-07-03 00:01:00"),
    ("3/4/2018", "dmy", "2018-04-03 00:00:00"),
    ("3/4/2018 1:05 pm", "mdy", "2018-03-04 13:05:00"),
    ("31.12.99", "dmy", "1999-12-31 00:00:00"),
    ("31/02/2018", "dmy", None), ("3/4/2018", None, None), ("13:30 pm", None, None), ("2018", None, None),
    ("1/2/2018 13:05 PM", "dmy", None), ("yesterday", None, None),
])
def test_dates_in_the_forms_of_exports_are_read_and_impossible_ones_are_not(text, order, expected):
    values, bad = parse_datetimes(pa.array(["2000-01-01", text]), order)
    assert (str(values[1]) if values[1].is_valid else None) == expected
    assert bad.tolist() == [False, expected is None]


def test_a_zoned_timestamp_keeps_the_wall_clock_of_its_zone():
    column = Column("when", "datetime", "timestamp[us]", "time")
    noon = pa.array([1_532_512_800_000_000_000], pa.timestamp("ns", "Europe/Berlin"))  # 2018-07-25 10:00 UTC
    out, _, _ = conform(batch(when=noon), Schema((column,)))
    assert str(out.column("when")[0]) == "2018-07-25 12:00:00"
    assert out.schema.field("when").type == pa.timestamp("us")
    day = conform(batch(when=pa.array([17_000], pa.date32())), Schema((column,)))[0]
    assert str(day.column("when")[0]) == "2016-07-18 00:00:00"
