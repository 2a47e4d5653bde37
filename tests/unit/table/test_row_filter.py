"""Conditions on rows."""

import pyarrow as pa
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.table import filter as row_filter
from anomaly_cl.table.filter import RowFilter
from anomaly_cl.table.read import open_rows, read_table

ROWS = pa.table({"amount": [1.0, None, 3.0, 4.0], "shop": ["a", "b", "a", "c"], "A b": [1, 2, 3, 4]})


@pytest.mark.parametrize(("condition", "kept"), [
    ("amount > 1", [2, 3]), ("NOT amount > 1", [0]), ("shop IN ('a', 'c') AND rows.amount < 4", [0, 2]),
    ("\"A b\" % 2 = 0", [1, 3]), ("true", [0, 1, 2, 3]), ("AMOUNT = 3 -- remark", [2]),
    ("amount IS NULL", [1]),
])
def test_rows_are_kept_where_the_condition_is_true(condition, kept):
    with RowFilter(condition, ROWS.schema) as rows:
        assert rows.keeps(ROWS.to_batches()[0]).nonzero()[0].tolist() == kept


@pytest.mark.parametrize("condition", [
    "amount >", "amount > 1; DROP TABLE rows", "1=1) OR (1=1", "amount IN (SELECT 1)", "EXISTS (FROM rows)",
    "amount > avg(amount)", "row_number() OVER () > 1", "amout > 1", "amount", "amount > 1 ORDER BY amount",
    "amount > 1 LIMIT 1", "true UNION SELECT 1", "", "shop > 5", "(FROM read_csv('/etc/passwd'))",
])
def test_anything_but_one_condition_on_known_columns_is_refused(condition):
    with pytest.raises(UsageError, match="row filter") as caught:
        list(open_rows(ROWS, where=condition))
    assert caught.value.remedy


def test_an_unknown_column_is_named_beside_those_there_are():
    with pytest.raises(UsageError, match=r"amout.*the columns are \['amount', 'shop', 'A b'\]"):
        open_rows(ROWS, where="amout > 1")


def test_filtered_rows_are_counted_and_the_others_keep_their_numbers():
    stream = open_rows(ROWS, where="shop = 'a'", batch_rows=2)
    assert [number for batch in stream for number in batch.row_numbers.tolist()] == [0, 2]
    assert (stream.rows_read, stream.rows_filtered_out, stream.rows_accepted, stream.rows_rejected) == (4, 2, 2, 0)


def test_the_condition_sees_the_types_of_the_schema(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("day,amount\n" + "".join(f"2018-07-{day:02d},{day}.5\n" for day in range(1, 11)))
    assert read_table(path, where="day >= '2018-07-09' AND amount < 10").num_rows == 1


def test_a_condition_that_takes_without_end_is_interrupted(monkeypatch):
    monkeypatch.setattr(row_filter, "LONGEST_SECONDS", 0.3)
    rows = pa.record_batch({"a": pa.array([5_000] * 400_000)})
    with RowFilter("list_sum(range(a)) > 0", rows.schema) as keep, pytest.raises(UsageError, match="Interrupted"):
        keep.keeps(rows)


def test_a_refused_condition_is_quoted_in_few_words():
    with pytest.raises(UsageError) as told:
        RowFilter("NOT " * 5_000 + "true", pa.schema([("a", pa.int64())]))
    assert len(str(told.value)) < 2_000
