import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.verdict_counts import NEVER
from anomaly_cl.schema import Column, Schema

TIME = Column("when", "datetime", "timestamp[us]", "time")
TEXT = Schema((Column("id", "categorical", "string", "key"), TIME))
NUMBER = Schema((Column("id", "numeric", "int64", "key"), TIME))
DAY = 86_400_000_000
FIRST = int(pd.Timestamp("2024-03-01").value // 1000)


def frame(keys, verdicts, days):
    return pd.DataFrame({"key": keys, "verdict": verdicts,
                         "decided_at": pd.Timestamp("2024-03-01") + pd.to_timedelta(days, unit="D")})


def read(table, schema=TEXT):
    found = VerdictTable.read(table, schema)
    days = (found.decided_at - FIRST) / DAY
    return list(zip(found.keys.to_pylist(), found.is_fraud.tolist(), days.tolist(), strict=True))


def test_words_become_verdicts_with_their_time():
    assert read(frame(["a", "b"], ["fraud", "Legitimate "], [0, 1.5])) == [("a", True, 0), ("b", False, 1.5)]


@pytest.mark.parametrize("words", [[True, False], [1, 0], ["yes", "no"], ["TRUE", "false"]])
def test_fraud_and_legitimate_are_said_in_many_ways(words):
    assert read(frame(["a", "b"], words, [0, 0])) == [("a", True, 0), ("b", False, 0)]


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "polars"])
def test_verdicts_come_from_files_and_other_tables(kind, tmp_path):
    import polars

    table = frame([3, 9], ["fraud", "legitimate"], [0, 2])
    if kind == "csv":
        table.to_csv(tmp_path / "verdicts.csv", index=False)
    if kind == "parquet":
        table.to_parquet(tmp_path / "verdicts.parquet")
    source = {"csv": tmp_path / "verdicts.csv", "parquet": tmp_path / "verdicts.parquet",
              "arrow": pa.Table.from_pandas(table), "polars": polars.from_pandas(table)}[kind]
    assert read(source, NUMBER) == [(3, True, 0), (9, False, 2)]


def test_the_latest_verdict_of_a_key_supersedes_the_earlier_ones():
    table = frame(["a", "b", "a", "a"], ["fraud", "fraud", "legitimate", "fraud"], [1, 0, 5, 3])
    assert read(table) == [("b", True, 0), ("a", False, 5)]
    assert read(table[::-1]) == [("a", False, 5), ("b", True, 0)]


def test_unsure_takes_an_earlier_verdict_back():
    assert read(frame(["a", "b", "a"], ["fraud", "fraud", "unsure"], [1, 0, 5])) == [("b", True, 0)]
    assert read(frame(["a", "a"], ["unsure", "fraud"], [1, 5])) == [("a", True, 5)]


def test_a_verdict_said_twice_is_one():
    assert read(frame(["a", "a"], ["fraud", "yes"], [1, 1])) == [("a", True, 1)]


def test_different_verdicts_at_one_time_are_refused():
    with pytest.raises(InputError, match="1 have different ones at once: 'b'"):
        read(frame(["a", "b", "b"], ["fraud", "fraud", "legitimate"], [1, 2, 2]))
    assert read(frame(["b", "b", "b"], ["fraud", "legitimate", "fraud"], [1, 1, 2])) == [("b", True, 2)]


def test_where_all_is_unsure_nothing_is_known():
    table = VerdictTable.read(frame(["a"], ["unsure"], [0]), TEXT)
    assert not len(table.keys)
    assert_array_equal(table.history(pa.array(["a"]), np.array([0])).decided_at, [NEVER])


def test_days_before_months_are_read_as_in_the_records():
    from dataclasses import replace

    table = pd.DataFrame({"key": ["a"], "verdict": ["fraud"], "decided_at": ["02/03/2024"]})
    assert read(table, Schema((TEXT["id"], replace(TIME, date_order="dmy")))) == [("a", True, 1)]


@pytest.mark.parametrize(("table", "said"), [
    (frame(["a"], ["maybe"], [0]), "'maybe'"),
    (frame([None], ["fraud"], [0]), "missing"),
    (frame(["a"], [None], [0]), "missing"),
    (frame(["a"], ["fraud"], [np.nan]), "missing"),
    (frame(["a"], ["fraud"], [0])[["key", "verdict"]], "three columns"),
    (frame(["a"], ["fraud"], [0]).iloc[:0], "rows"),
])
def test_tables_that_cannot_be_meant_are_refused(table, said):
    with pytest.raises(InputError, match=said):
        read(table)


def test_verdicts_need_a_key_column():
    with pytest.raises(UsageError, match="role key"):
        read(frame(["a"], ["fraud"], [0]), Schema((TIME,)))


def test_verdicts_meet_their_records():
    table = VerdictTable.read(frame(["c", "a", "gone"], ["legitimate", "fraud", "fraud"], [2, 1, 0]), TEXT)
    history = table.history(pa.array(["a", "b", "c"]), np.array([10, 11, 12]), presume_after=7)
    assert_array_equal(history.instants, [10, 11, 12])
    assert_array_equal(history.is_fraud, [True, False, False])
    assert_array_equal(history.decided_at, [FIRST + DAY, NEVER, FIRST + 2 * DAY])
    assert history.presume_after == 7


def test_keys_of_no_or_several_records_are_refused():
    table = VerdictTable.read(frame(["a", "b"], ["fraud", "fraud"], [0, 0]), TEXT)
    with pytest.raises(InputError, match="none of 2 is the key of a record, for example 'a', 'b'"):
        table.history(pa.array(["x"]), np.array([0]))
    with pytest.raises(InputError, match="1 name several: 'b'"):
        table.history(pa.array(["b", "b", "a"]), np.array([0, 1, 2]))
