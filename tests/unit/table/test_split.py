import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.split import CrossFit, Split, sample_rows

PLANS = [Split(), Split(0.5), CrossFit(), CrossFit(2), CrossFit(10)]


@pytest.mark.parametrize("n_rows", [4, 5, 17, 1_000])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_no_model_learns_from_the_rows_it_calibrates(plan, n_rows):
    kept, others = plan.roles(n_rows, np.random.default_rng(0))
    for roles in (kept, *others):
        parts = (roles.reference, roles.held_out, roles.calibration)
        assert len(roles.reference)
        assert len(roles.held_out)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n_rows))
        assert all((np.diff(part) > 0).all() for part in parts)


@pytest.mark.parametrize("n_rows", [4, 17, 1_000])
def test_cross_fitting_calibrates_on_every_row_once_and_keeps_a_model_of_all(n_rows):
    kept, others = CrossFit().roles(n_rows, np.random.default_rng(0))
    assert not len(kept.calibration)
    np.testing.assert_array_equal(np.sort(np.concatenate([roles.calibration for roles in others])), np.arange(n_rows))


def test_a_split_has_one_model_and_a_bounded_calibration():
    kept, others = Split(0.2, cap=20).roles(1_000, np.random.default_rng(0))
    assert not others
    assert len(kept.calibration) == 20
    assert len(kept.held_out) == 150


@pytest.mark.parametrize("plan", [Split(), CrossFit()], ids=str)
def test_too_few_rows_are_refused_with_their_number(plan):
    with pytest.raises(InputError, match="n_samples = 1"):
        plan.roles(1, np.random.default_rng(0))


@pytest.mark.parametrize("make", [lambda: Split(0), lambda: Split(1.0), lambda: Split(cap=0), lambda: CrossFit(1)])
def test_plans_that_cannot_be_meant_are_refused(make):
    with pytest.raises(UsageError):
        make()


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
