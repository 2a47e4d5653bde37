import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.detectors.pair_table import PairTable
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Column, Schema

TEXT = Schema((Column("id", "categorical", "string", "key"), Column("amount", "numeric", "double")))
NUMBER = Schema((Column("id", "numeric", "int64", "key"), Column("amount", "numeric", "double")))
KEYS = pa.array([f"r{i}" for i in range(10)])


def read(frame, keys=KEYS, schema=TEXT):
    table = PairTable.read(frame, schema)
    batches = [pa.record_batch({"id": keys[start:start + 4]}) for start in range(0, len(keys), 4)]
    assert list(table.watching(batches)) == batches
    return table.positions(keys)


def frame(left, right, same):
    return pd.DataFrame({"a": left, "b": right, "verdict": same})


def test_keys_become_positions_and_words_truth():
    pairs = read(frame(["r3", "r0"], ["r9", "r1"], ["same", "Different "]))
    assert (pairs.left.tolist(), pairs.right.tolist(), pairs.same.tolist()) == ([3, 0], [9, 1], [True, False])


@pytest.mark.parametrize("words", [[True, False], [1, 0], ["yes", "no"], ["TRUE", "false"]])
def test_same_and_different_are_said_in_many_ways(words):
    assert read(frame(["r3", "r0"], ["r9", "r1"], words)).same.tolist() == [True, False]


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "polars"])
def test_pairs_come_from_files_and_other_tables(kind, tmp_path):
    import polars

    table = frame([3, 0], [9, 1], ["same", "different"])
    if kind == "csv":
        table.to_csv(tmp_path / "pairs.csv", index=False)
    if kind == "parquet":
        table.to_parquet(tmp_path / "pairs.parquet")
    source = {"csv": tmp_path / "pairs.csv", "parquet": tmp_path / "pairs.parquet",
              "arrow": pa.Table.from_pandas(table), "polars": polars.from_pandas(table)}[kind]
    pairs = read(source, pa.array(range(10)), NUMBER)
    assert (pairs.left.tolist(), pairs.same.tolist()) == ([3, 0], [True, False])


def test_unknown_keys_are_counted_and_shown():
    with pytest.raises(InputError, match=r"7 are not, for example 'x0', 'x1', 'x2', 'x3', 'x4' \.\.\."):
        read(frame([f"x{i}" for i in range(7)], ["r1"] * 7, [1] * 7))


def test_a_key_that_was_seen_but_not_drawn_is_not_unknown():
    table = PairTable.read(frame(["r3", "r0"], ["r9", "r1"], [1, 0]), TEXT)
    list(table.watching([pa.record_batch({"id": KEYS})]))
    assert table.positions(KEYS[:2]).left.tolist() == [0]
    with pytest.raises(InputError, match="fit_rows"):
        table.positions(KEYS[5:])


@pytest.mark.parametrize(("table", "said"), [
    (frame(["r1"], ["r1"], [1]), "one twice"),
    (frame(["r1"], ["r2"], ["maybe"]), "'maybe'"),
    (frame(["r1"], [None], [1]), "missing"),
    (frame(["r1"], ["r2"], [1])[["a", "b"]], "three columns"),
    (frame(["r1"], ["r2"], [1]).iloc[:0], "rows"),
])
def test_tables_that_cannot_be_meant_are_refused(table, said):
    with pytest.raises(InputError, match=said):
        read(table)


def test_keys_of_several_rows_are_refused():
    with pytest.raises(InputError, match="several"):
        read(frame(["r1"], ["r2"], [1]), pa.array(["r1", "r2", "r1"]))


def test_pairs_need_a_key_column():
    with pytest.raises(UsageError, match="role key"):
        PairTable.read(frame(["r1"], ["r2"], [1]), Schema((Column("amount", "numeric", "double"),)))
