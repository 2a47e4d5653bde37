"""Records with their past, in batches that a detector scores one by one."""

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl import EventDetector, TabularDetector, score_file
from anomaly_cl.batch.events import scorable
from anomaly_cl.batch.rows import TableRows, read_records
from anomaly_cl.datasets.simulate import transactions_table
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.read import open_rows


@pytest.fixture(scope="module")
def rows():
    return transactions_table(800, seed=0)


@pytest.fixture(scope="module")
def detector(rows):
    return EventDetector("transaction_id", ["customer_id"], "booked_at").fit(rows.slice(0, 500))


@pytest.mark.parametrize("batch_rows", [1, 3, 4, 100])
def test_batches_hold_every_row_once_with_its_number(batch_rows):
    table = pa.concat_tables([pa.table({"x": range(start, start + n)}) for start, n in ((0, 5), (5, 2), (7, 4))])
    numbers = np.arange(11) * 10
    batches = list(TableRows(table, numbers, batch_rows))
    assert all(0 < batch.rows.num_rows <= batch_rows for batch in batches)
    assert np.concatenate([batch.row_numbers for batch in batches]).tolist() == numbers.tolist()
    assert [x for batch in batches for x in batch.rows.column("x").to_pylist()] == list(range(11))


def test_event_rows_are_those_of_the_detector_with_the_columns_to_keep(rows, detector):
    new, old = rows.slice(500), rows.slice(0, 500)
    stream, history = (open_rows(part, detector.base_schema_, batch_rows=64) for part in (new, old))
    with scorable(detector, stream, history, keep=["is_fraud", "amount"], batch_rows=70) as found:
        table = pa.Table.from_batches([batch.rows for batch in found], found.arrow_schema)
    expected = detector.event_rows(new, old)
    assert table.column_names == [*expected.column_names, "is_fraud"]
    assert table.select(expected.column_names).equals(expected)
    assert table.column("is_fraud").to_pylist() == new.column("is_fraud").to_pylist()


def test_a_kept_column_named_like_a_deviation_is_refused(rows, detector):
    name = detector.events_.deviations[0]
    stream = open_rows(rows.append_column(name, rows.column("is_fraud")), detector.base_schema_)
    with pytest.raises(UsageError, match="rename the column"), scorable(detector, stream, keep=[name]):
        pass


def test_a_record_is_not_its_own_past(rows, detector):
    streams = (open_rows(part, detector.base_schema_) for part in (rows.slice(500), rows.slice(0, 502)))
    with pytest.raises(InputError, match="2 of the history are in both"), read_records(*streams, detector.base_schema_):
        pass


def test_rows_that_are_judged_by_themselves_pass_as_they_are(rows):
    stream = open_rows(rows)
    with scorable(TabularDetector("none"), stream) as found:
        assert found is stream


def test_a_history_for_rows_that_are_judged_by_themselves_is_refused_before_any_file_is_read(rows, tmp_path):
    with pytest.raises(UsageError, match="history are for models that judge records against their past"):
        score_file(TabularDetector("none").fit(rows), "nowhere.csv", tmp_path / "out.parquet", history="nowhere.csv")
    assert not list(tmp_path.iterdir())
