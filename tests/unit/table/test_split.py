import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.table.split import Split, sample_rows


@pytest.mark.parametrize("n_rows", [4, 5, 17, 1_000, 200_000])
def test_the_three_parts_are_disjoint_complete_and_never_empty(n_rows):
    parts = Split().indices(n_rows, np.random.default_rng(0))
    assert all(len(part) for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n_rows))


def test_caps_leave_the_remaining_rows_to_the_reference():
    parts = Split(held_out_cap=10, calibration_cap=20).indices(1_000, np.random.default_rng(0))
    assert [len(part) for part in parts] == [970, 10, 20]


def test_too_few_rows_are_refused_with_their_number():
    with pytest.raises(InputError, match="n_samples = 1"):
        Split().indices(1, np.random.default_rng(0))


def _numbers(batches):
    return [value for batch in batches for value in batch.column(0).to_pylist()]


def _stream(n_rows, size):
    return (pa.record_batch({"n": list(range(i, min(i + size, n_rows)))}) for i in range(0, n_rows, size))


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_the_sample_does_not_depend_on_the_batches(size):
    whole = _numbers(sample_rows(_stream(1_000, 1_000), 50, np.random.default_rng(3)))
    assert _numbers(sample_rows(_stream(1_000, size), 50, np.random.default_rng(3))) == whole
    assert len(whole) == 50
    assert whole == sorted(whole)


def test_a_stream_within_the_limit_is_kept_whole():
    assert _numbers(sample_rows(_stream(30, 7), 30, np.random.default_rng(0))) == list(range(30))


def test_every_row_is_drawn_equally_often():
    counts = np.zeros(40)
    for seed in range(2_000):
        counts[_numbers(sample_rows(_stream(40, 9), 10, np.random.default_rng(seed)))] += 1
    assert abs(counts / 2_000 - 0.25).max() < 0.05
