"""Files whose bytes lie about themselves are refused before anything is computed of them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Kind, Schema
from anomaly_cl.table.read import open_rows, read_table

SCHEMA = Schema((Column("a", Kind.NUMERIC, "double"), Column("b", Kind.CATEGORICAL, "string")))


def _arrow_file(path, table):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def test_arrow_offsets_beyond_their_buffer_are_refused(tmp_path):
    path = _arrow_file(tmp_path / "input.arrow", pa.table({"a": [1.0, 2.0], "b": ["first", "second"]}))
    whole = path.read_bytes()
    offsets = np.array([0, 5, 11], np.int32).tobytes()
    assert whole.count(offsets) == 1
    path.write_bytes(whole.replace(offsets, np.array([0, 5_000_000, 11], np.int32).tobytes()))
    with pytest.raises(InputError, match="cannot be read as Arrow IPC"):
        read_table(path, SCHEMA)


def test_dictionary_indices_beyond_the_dictionary_are_refused(tmp_path):
    lying = pa.DictionaryArray.from_arrays(pa.array([0, 70_000], pa.int32()), pa.array(["x"]), safe=False)
    path = _arrow_file(tmp_path / "input.arrow", pa.table({"a": [1.0, 2.0], "b": lying}))
    with pytest.raises(InputError, match="cannot be read as Arrow IPC"):
        read_table(path, SCHEMA)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize("ending", [".arrow", ".parquet"])
def test_text_that_is_no_utf8_rejects_its_row_alone(tmp_path, kind, ending):
    stored = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}[kind]
    table = pa.table({"a": [1.0, 2.0], "b": pa.array([b"caf\xe9", b"tea"], stored).view(kind)})
    path = tmp_path / f"input{ending}"
    if ending == ".arrow":
        _arrow_file(path, table)
    else:
        pq.write_table(table, path)
    rejected = []
    stream = open_rows(path, SCHEMA, on_reject=rejected.extend)
    rows = [row for batch in stream for row in batch.rows.to_pylist()]
    assert rows == [{"a": 2.0, "b": "tea"}]
    assert [(row.row_number, row.rule, row.raw_value) for row in rejected] == [(0, "broken encoding", "caf\\xe9")]
    assert open_rows(path).schema["b"].kind is Kind.CATEGORICAL


def test_a_column_name_that_is_no_utf8_is_refused(tmp_path):
    path = _arrow_file(tmp_path / "input.arrow", pa.table({"a": [1.0], "name": ["x"]}))
    path.write_bytes(path.read_bytes().replace(b"name", b"na\xffe"))
    with pytest.raises(InputError, match="cannot be read as Arrow IPC"):
        open_rows(path)
