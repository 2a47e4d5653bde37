import numpy as np
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.blocks import cluster_length, one_of_each


def slow_length(scores, apart, level):
    bound, clusters, last, high = np.quantile(scores, level), 0, None, 0
    for step, score in enumerate(scores):
        if score > bound:
            clusters += last is None or step - last >= apart
            last, high = step, high + 1
    return max(1, round(high / clusters)) if clusters else 1


@pytest.mark.parametrize("apart", [1, 3, 20])
@pytest.mark.parametrize("smooth", [1, 5, 30])
def test_the_length_of_clusters_equals_the_loop(apart, smooth):
    noise = np.random.default_rng(0).normal(size=2_000)
    scores = np.convolve(noise, np.ones(smooth), "valid")
    assert cluster_length(scores, apart, 0.9) == slow_length(scores, apart, 0.9)


def test_independent_steps_are_no_clusters_and_repeated_ones_are():
    scores = np.random.default_rng(1).normal(size=3_000)
    assert cluster_length(scores, 1) == 1
    assert cluster_length(np.repeat(scores, 12), 2) == pytest.approx(12, abs=1)


def test_constant_scores_have_clusters_of_one():
    assert cluster_length(np.ones(50), 5) == 1


@pytest.mark.parametrize(("apart", "level"), [(0, 0.5), (1, 0.0), (1, 1.0)])
def test_settings_out_of_range_are_refused(apart, level):
    with pytest.raises(UsageError, match="clusters"):
        cluster_length(np.ones(5), apart, level)


def test_scores_must_be_finite():
    with pytest.raises(InputError):
        cluster_length([1.0, np.nan], 1)


@pytest.mark.parametrize(("n", "length"), [(0, 3), (1, 3), (9, 3), (10, 3), (11, 3), (5, 1), (5, 50)])
def test_one_step_is_drawn_of_each_piece(n, length):
    drawn = one_of_each(n, length, np.random.default_rng(0))
    assert (drawn // length).tolist() == list(range(-(-n // length)))
    assert (drawn < n).all()


def test_each_step_of_a_piece_is_as_likely():
    drawn = one_of_each(40_000, 4, np.random.default_rng(2)) % 4
    assert np.abs(np.bincount(drawn) / 10_000 - 0.25).max() < 0.02
