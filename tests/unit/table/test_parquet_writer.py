"""Files that appear whole or not at all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.table import write
from anomaly_cl.table.write import ParquetWriter

ROWS = pa.table({"a": list(range(10)), "b": [str(i) for i in range(10)]})


def test_the_file_appears_when_all_was_written(tmp_path):
    path = tmp_path / "out.parquet"
    with ParquetWriter(path, ROWS.schema) as writer:
        for batch in ROWS.to_batches(max_chunksize=3):
            writer.write(batch)
            assert not path.exists()
    assert writer.rows_written == 10
    assert pq.read_table(path).equals(ROWS)
    assert [p.name for p in tmp_path.iterdir()] == ["out.parquet"]


def test_a_failure_leaves_no_partial_file_and_the_old_one_untouched(tmp_path):
    path = tmp_path / "out.parquet"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), ParquetWriter(path, ROWS.schema) as writer:
        writer.write(ROWS.slice(0, 1 // 0))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.parquet"]


def test_no_rows_make_a_file_without_rows(tmp_path):
    with ParquetWriter(tmp_path / "out.parquet", ROWS.schema):
        pass
    assert pq.read_table(tmp_path / "out.parquet").equals(ROWS.schema.empty_table())


def test_the_bytes_do_not_depend_on_the_batch_size(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "ROW_GROUP", 4)
    for size in (1, 3, 10):
        with ParquetWriter(tmp_path / f"{size}.parquet", ROWS.schema) as writer:
            for batch in ROWS.to_batches(max_chunksize=size):
                writer.write(batch)
    first, *others = [path.read_bytes() for path in tmp_path.iterdir()]
    assert all(other == first for other in others)
    assert pq.read_table(tmp_path / "3.parquet").equals(ROWS)


def test_a_folder_that_does_not_exist_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="folder"), ParquetWriter(tmp_path / "none" / "out.parquet", ROWS.schema):
        pass
