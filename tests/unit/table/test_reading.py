"""Any input as a stream of typed batches."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table import read
from anomaly_cl.table.read import open_rows, read_table

TABLE = pa.table({
    "id": list(range(100, 140)), "amount": [i * 1.37 % 11 for i in range(40)],
    "shop": [["kiosk", "café", None][i % 3] for i in range(40)],
})
SCHEMA = Schema((Column("id", "numeric", "int64", "key"), Column("amount", "numeric", "double"),
                 Column("shop", "categorical", "string")))


def csv_bytes(table: pa.Table) -> bytes:
    return table.to_pandas().to_csv(index=False).encode()


def written(folder, kind):
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(TABLE, path, row_group_size=7)
    elif kind in ("feather", "arrow"):
        pa.feather.write_feather(TABLE, path)
    elif kind == "arrows":
        with pa.ipc.new_stream(path, TABLE.schema) as writer:
            writer.write_table(TABLE)
    elif kind == "csv.zst":
        with pa.output_stream(path, compression="zstd") as out:
            out.write(csv_bytes(TABLE))
    else:
        data = csv_bytes(TABLE).replace(b",", b"\t") if kind == "tsv" else csv_bytes(TABLE)
        path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    return path


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow", "arrows", "csv", "tsv", "txt", "csv.gz", "csv.zst"])
def test_every_file_kind_gives_the_same_rows(tmp_path, kind):
    stream = open_rows(written(tmp_path, kind), SCHEMA, batch_rows=9)
    batches = list(stream)
    assert pa.Table.from_batches([batch.rows for batch in batches]).equals(TABLE)
    assert np.concatenate([batch.row_numbers for batch in batches]).tolist() == list(range(40))
    assert max(batch.rows.num_rows for batch in batches) <= 9
    assert (stream.rows_read, stream.rows_accepted, stream.name) == (40, 40, f"rows.{kind}")
    assert open_rows(tmp_path / f"rows.{kind}").schema.names == ["id", "amount", "shop"]


@pytest.mark.parametrize("give", [
    lambda: TABLE, lambda: TABLE.combine_chunks().to_batches()[0], lambda: TABLE.to_reader(max_chunksize=7),
    lambda: TABLE.to_pandas(), lambda: pl.from_arrow(TABLE),
])
def test_every_table_in_memory_gives_the_same_rows(give):
    assert read_table(give(), SCHEMA, batch_rows=9).equals(TABLE)
    assert read_table(give()).num_rows == 40


def test_an_array_has_columns_x0_x1_that_are_all_features():
    array = np.column_stack([np.arange(60), np.sort(np.random.default_rng(0).normal(size=60)), np.zeros(60)])
    array[3, 1] = np.nan
    stream = open_rows(array, batch_rows=16)
    table = pa.Table.from_batches([batch.rows for batch in stream])
    assert [(c.name, c.kind, c.role) for c in stream.schema.columns] == [
        (f"x{i}", "numeric", "feature") for i in range(3)]
    assert table.column("x1").null_count == 1
    np.testing.assert_array_equal(table.column("x0"), array[:, 0])
    assert read_table(np.array([[1, 2.5], ["x", 3]], dtype=object)).num_columns == 2
    with pytest.raises(UsageError, match="two dimensions"):
        open_rows(array[:, 0])


def test_mixed_objects_of_a_frame_become_text_whose_bad_cells_are_named():
    frame = pd.DataFrame({"amount": [1, "x", None, 2.5], 7: [1, 2, 3, 4]})
    rejected = []
    schema = Schema((Column("amount", "numeric", "double"), Column("7", "numeric", "double")))
    table = read_table(frame, schema, on_reject=rejected.extend)
    assert table.column("amount").to_pylist() == [1.0, None, 2.5]
    assert [(row.row_number, row.raw_value) for row in rejected] == [(1, "x")]
    assert frame["amount"].tolist()[1] == "x"


def test_encodings_and_views_of_other_libraries_are_decoded_and_can_be_filtered():
    frame = pl.DataFrame({
        "kind": pl.Series(["a", "b"] * 20, dtype=pl.Categorical),
        "level": pl.Series(["x", "y"] * 20, dtype=pl.Enum(["x", "y"])),
        "nested": [{"a": "p"}] * 40, "image": pl.Series([[1.0, 2.0]] * 40, dtype=pl.Array(pl.Float32, 2)),
        "price": pl.Series([1, 2] * 20).cast(pl.Decimal(10, 2)), "spare": ["s"] * 40,
    })
    stream = open_rows(frame, where="kind = 'a'")
    schema = Schema(tuple(column for column in stream.schema.columns if column.name != "spare"))
    inferred = pa.Table.from_batches([batch.rows for batch in stream])
    for table in (inferred, read_table(frame, schema, where="kind = 'a'")):
        assert table.num_rows == 20
        assert [str(field.type) for field in table.schema.remove_metadata()] == [
            "string", "string", "struct<a: string>", "fixed_size_list<item: float>[2]", "double", "string"]


def test_files_are_numbered_through_in_order_of_their_names(tmp_path):
    (tmp_path / "sub").mkdir()
    pq.write_table(TABLE.slice(0, 15), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes(csv_bytes(TABLE.slice(15, 10)).replace(b"\n117,", b"\nbad,"))
    pa.feather.write_feather(TABLE.slice(25), tmp_path / "sub" / "c.feather")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "notes.md").write_text("no data")
    for source in (tmp_path, str(tmp_path / "**" / "*.[pcf]*"),
                   [tmp_path / "a.parquet", str(tmp_path / "b.csv"), tmp_path / "sub"]):
        rejected = []
        stream = open_rows(source, SCHEMA, on_reject=rejected.extend)
        numbers = np.concatenate([batch.row_numbers for batch in stream])
        assert numbers.tolist() == [i for i in range(40) if i != 17]
        assert [(row.row_number, row.column, row.file) for row in rejected] == [(17, "id", str(tmp_path / "b.csv"))]
    assert "3 files" in stream.name


def test_columns_unknown_to_the_schema_are_kept_and_null_where_a_file_lacks_them(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,amount,shop,note\n1,2,a,x\n2,3,a,y\xff\n")
    (tmp_path / "b.csv").write_text("note,shop,extra,id,amount\nz,b,e,3,4\n")
    table = read_table(tmp_path, SCHEMA)
    assert table.schema.names == ["id", "amount", "shop", "note", "extra"]
    assert table.column("note").to_pylist() == ["x", None, "z"]
    assert table.column("extra").to_pylist() == [None, None, "e"]


def test_a_later_file_without_a_required_column_is_refused_by_name_before_any_row_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("id,amount,shop\n1,2,a\n")
    (tmp_path / "b.csv").write_text("id,amout,shop\n1,2,a\n")
    with pytest.raises(InputError, match=r"'amount' is missing in .*b.csv.*rename 'amout'"):
        open_rows(tmp_path, SCHEMA)


@pytest.mark.parametrize(("name", "content", "says"), [
    ("a.csv", b"", "empty"), ("a.csv", b"id,amount,shop\n", "must have rows"), ("a.csv", b"\n\n", "empty"),
    ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "must be delimited text"),
    ("a.parquet", b"id,amount\n1,2\n", "Parquet"),
    ("a.feather", b"id,amount\n1,2\n", "Arrow IPC"), ("a.csv", b"PAR1....PAR1", "must be delimited text"),
    ("a.parquet", b"PAR1....PAR1", "cannot be read as Parquet"), ("a.csv", b'[{"id": 1}]', "delimited text"),
    ("a.csv", b"<html><body>", "delimited text"),
    ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-12], "cannot be read"),  # the same name in every process
    ("a.csv", b"id,id\n1,2\n", "unique"), ("a.csv", b"1.5,2.5\n3,4\n", "name the columns"), ("a.arrow", b"", "empty"),
    ("a.csv", b'id,amount\n1,2\n3,"4\n5,6\n', "quote"), ("a.csv", b'id,amount\n1,2\n"3,4\n5,6\n', "quote"),
    ("a.xlsx", b"PK\x03\x04\0\0\0\0\0\0\0\0", "delimited text"),
])
def test_what_is_no_table_is_a_clear_error(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        list(open_rows(tmp_path / name))
    assert caught.value.exit_code == 3
    assert all((caught.value.rule, caught.value.value, caught.value.remedy))


def test_absent_inputs_and_objects_that_are_no_tables_are_refused(tmp_path):
    for source in (tmp_path / "none.csv", str(tmp_path / "*.csv"), tmp_path):
        with pytest.raises(InputError):
            open_rows(source)
    for source in (None, 7, [], [1, 2], {"a": [1]}):
        with pytest.raises(UsageError, match="input must be"):
            open_rows(source)
    for source in (pa.table({}), pd.DataFrame(), TABLE.slice(0, 0), np.empty((0, 3))):
        with pytest.raises(InputError, match="must have"):
            open_rows(source)
    with pytest.raises(UsageError, match="batch_rows"):
        open_rows(TABLE, batch_rows=0)


def test_a_stream_is_iterated_once_and_a_limit_stops_it():
    stream = open_rows(TABLE)
    list(stream)
    with pytest.raises(UsageError, match="once"):
        iter(stream)
    assert read_table(TABLE, limit=11, batch_rows=4).num_rows == 11
    assert read_table(TABLE, limit=0).num_rows == 0


def test_inference_reads_a_sample_and_every_row_is_still_yielded(monkeypatch):
    monkeypatch.setattr(read, "SAMPLE_ROWS", 10)
    read_rows = 0

    def batches():
        nonlocal read_rows
        for batch in TABLE.to_batches(max_chunksize=4):
            read_rows += batch.num_rows
            yield batch

    stream = open_rows(pa.RecordBatchReader.from_batches(TABLE.schema, batches()))
    assert read_rows == 12
    assert sum(batch.rows.num_rows for batch in stream) == 40


def test_an_abandoned_stream_closes_its_filter():
    stream = open_rows(TABLE, where="amount > 1", batch_rows=5)
    batches = iter(stream)
    next(batches)
    batches.close()
    assert 0 < stream.rows_read < 40


NUMBERS = st.one_of(st.floats(-1e6, 1e6).map(repr), st.integers(-99, 99).map(str), st.sampled_from(["", "NA", " 7 "]))
BAD_NUMBERS = st.sampled_from(["x", "1,5", "12abc", "--1", "inf", "0x1"])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co"]), max_size=9)
FATES = st.sampled_from(["ok", "ok", "ok", "ok", "wide", "narrow", "broken"])
ROWS = st.lists(st.tuples(st.one_of(NUMBERS, NUMBERS, BAD_NUMBERS), st.one_of(WORDS, st.just('a "b",\nc')),
                          FATES), min_size=1, max_size=40)


def slow_number(text):
    """None where the cell is bad, else (value or None for missing,)."""
    text = text.strip()
    if text in ("", "NA"):
        return (None,)
    try:
        value = float(text)
    except ValueError:
        return None
    return (value,) if np.isfinite(value) else None


@settings(deadline=None)
@given(rows=ROWS, batch_rows=st.integers(1, 50), separator=st.sampled_from(",;\t|"))
def test_every_record_of_a_text_file_is_accepted_filtered_or_rejected_as_the_slow_truth_says(
    tmp_path_factory, rows, batch_rows, separator
):
    lines, truth, rejects = [], [], []
    for number, (amount, word, fate) in enumerate(rows):
        quoted = '"' + word.replace('"', '""') + '"'
        fields = {"wide": ["1", amount and '"' + amount + '"', quoted, "more"], "narrow": ["1"],
                  "broken": ["1", "2", '"\udcff"']}.get(fate, ["1", '"' + amount + '"', quoted])
        lines.append(separator.join(fields))
        value = slow_number(amount)
        if fate != "ok" or value is None:
            rejects.append(number)
        else:
            truth.append((number, *value, word or None))
    text = separator.join(["id", "amount", "shop"]) + "\n" + "\n".join(lines) + "\n"
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    schema = Schema((Column("id", "numeric", "int64", "key"), Column("amount", "numeric", "double"),
                     Column("shop", "text", "string")))
    seen = []
    stream = open_rows(path, schema, where="amount IS NULL OR amount >= 0", batch_rows=batch_rows,
                       on_reject=seen.extend)
    got = [(int(number), row["amount"], row["shop"]) for batch in stream
           for number, row in zip(batch.row_numbers, batch.rows.to_pylist(), strict=True)]
    assert got == [row for row in truth if row[1] is None or row[1] >= 0]
    assert [row.row_number for row in seen] == rejects
    assert stream.rows_read == len(rows)
    assert stream.rows_filtered_out == len(truth) - len(got)
    assert stream.rows_rejected == len(rejects)


def test_batch_size_never_changes_the_rows():
    expected = read_table(TABLE, SCHEMA)
    for size in (1, 3, 1000):
        assert read_table(TABLE, SCHEMA, batch_rows=size).equals(expected)
