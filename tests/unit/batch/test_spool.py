"""Rows of streams as whole tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.batch.spool import Spool
from anomaly_cl.table.read import open_rows, read_table


@pytest.fixture
def file(tmp_path):
    frame = pd.DataFrame({"a": range(100), "b": [f"text {i % 7}" for i in range(100)],
                          "c": pd.Categorical([f"{i // 10}" for i in range(100)])})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=10)
    return tmp_path / "rows.parquet"


def test_spooled_rows_are_those_of_the_stream_with_their_numbers(file):
    whole = read_table(file)
    with Spool() as spool:
        odd, numbers = spool.read(open_rows(file, where="a % 2 = 1", batch_rows=7), ["b", "a", "c"])
        every, _ = spool.read(open_rows(file), ["a"])
        np.testing.assert_array_equal(numbers, np.arange(1, 100, 2))
        assert odd.to_pylist() == whole.take(numbers).select(["b", "a", "c"]).to_pylist()
        assert every.column("a").to_pylist() == list(range(100))


def test_nothing_is_left_on_the_disk(file):
    with Spool() as spool:
        spool.read(open_rows(file), ["a"])
        folder = Path(spool._folder.path)
        assert folder.exists()
    assert not folder.exists()


def test_a_stream_of_which_no_row_is_accepted_is_an_empty_table(file):
    with Spool() as spool:
        rows, numbers = spool.read(open_rows(file, where="a < 0"), ["a", "b"])
        assert rows.num_rows == len(numbers) == 0
        assert rows.column_names == ["a", "b"]
