"""Batches score as files do, whatever carries them."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl import score_batches, score_file, scored_batch_schema
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError
from tests.unit.batch.made_up_invoices import invoices

POLICY = "alpha=0.05"


@pytest.fixture(scope="module")
def frame():
    return invoices(600)


@pytest.fixture(scope="module")
def detector(frame):
    return TabularDetector("none").fit(frame.drop(columns="clerk"))


@pytest.fixture(scope="module")
def rows(frame):
    burst = np.where(np.arange(600) % 100 == 7, 500, 1)
    return pa.Table.from_pandas(frame.assign(amount=frame["amount"] * burst), preserve_index=False)


@pytest.fixture(scope="module")
def expected(detector, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    pq.write_table(rows, folder / "in.parquet")
    score_file(detector, folder / "in.parquet", folder / "out.parquet", policy=POLICY, keep=["clerk"])
    return pq.read_table(folder / "out.parquet")


def scored(detector, batches, **more):
    return pa.Table.from_batches(score_batches(detector, batches, policy=POLICY, keep=["clerk"], **more))


@pytest.mark.parametrize("size", [1_000, 64, 7])
def test_batches_score_as_the_file_does_whatever_their_size(detector, rows, expected, size):
    found = scored(detector, iter(rows.to_batches(size)))
    assert found.equals(expected)
    assert sum(found["alert"].to_pylist()) >= 6
    assert found.schema == scored_batch_schema(detector, rows.schema, keep=["clerk"])


def test_a_model_folder_a_table_and_a_reader_are_as_good(detector, rows, expected, tmp_path):
    detector.save(tmp_path / "model")
    assert scored(tmp_path / "model", rows).equals(expected)
    assert scored(str(tmp_path / "model"), rows.to_reader(50)).equals(expected)


def test_pandas_chunks_and_empty_batches_among_others_score_the_same(detector, rows, expected):
    frame = rows.to_pandas()
    chunks = [frame[:0], frame[:250], rows.to_batches()[0][:0], frame[250:].reset_index(drop=True)]
    assert scored(detector, chunks).equals(expected)
    assert list(score_batches(detector, iter(()))) == []


def test_types_may_differ_from_batch_to_batch(detector, rows, expected):
    part = rows.slice(100, 50)
    cents = [decimal.Decimal(f"{amount:.2f}") for amount in part["amount"].to_pylist()]
    other = pa.table({
        "clerk": part["clerk"].cast(pa.float64()), "kind": part["kind"].dictionary_encode(),
        "invoice_id": part["invoice_id"].cast(pa.large_string()), "amount": pa.array(cents, pa.decimal128(12, 2)),
        "booked_at": part["booked_at"].cast(pa.timestamp("ms")), "more": pa.nulls(50),
    })
    found = scored(detector, [rows.slice(0, 100), other, rows.slice(150)])
    assert found.equals(expected)


def test_rejected_rows_are_told_and_numbered_through(detector, rows, expected):
    text = rows.set_column(2, "amount", rows["amount"].cast(pa.string()))
    bad = pa.concat_tables([text.slice(0, 300), text.slice(0, 1).set_column(2, "amount", pa.array(["12,x"])),
                            text.slice(300)])
    told = []
    found = scored(detector, iter(bad.to_batches(100)), on_reject=told.extend, first_row=1_000)
    assert [(row.row_number, row.column, row.raw_value) for row in told] == [(1_300, "amount", "12,x")]
    assert found.num_rows + len(told) == bad.num_rows
    assert found["row_number"].to_pylist() == [*range(1_000, 1_300), *range(1_301, 1_601)]
    np.testing.assert_array_equal(found["score"], expected["score"])
    with pytest.raises(InputError, match=r"row 300 has '12,x'.*on_reject"):
        scored(detector, bad)


def test_a_column_to_keep_must_stay_as_it_was(detector, rows):
    with pytest.raises(InputError, match="'clerk' is int64 in the first"):
        scored(detector, [rows.slice(0, 9), rows.slice(9).set_column(4, "clerk", pa.array(["Jo"] * 591))])
    with pytest.raises(InputError, match="lacks 'clerk'"):
        scored(detector, [rows.slice(0, 9), rows.drop_columns("clerk")])
    with pytest.raises(UsageError, match="columns to keep"):
        next(score_batches(detector, rows, keep=["nothing"]))


@pytest.mark.parametrize("policy", ["fdr=0.1", "budget=5", "budget=5/day", "cost=1:50,prior=0.001"])
def test_policies_that_look_at_all_rows_are_refused_at_once(detector, policy):
    with pytest.raises(UsageError, match=r"chooses among all rows.*alpha=RATE"):
        score_batches(detector, [], policy=policy)


def test_models_that_look_at_the_past_are_refused_at_once():
    with pytest.raises(UsageError, match="--history"):
        score_batches(EventDetector(), [])


def test_a_path_is_no_batch(detector):
    with pytest.raises(UsageError, match="is a path"):
        score_batches(detector, "july.csv")
