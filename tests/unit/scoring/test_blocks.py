import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.blocks import block_maxima, calibration_blocks, span_p_values, step_p_values


@given(st.integers(1, 400), st.integers(1, 9), st.integers(0, 9), st.floats(0.01, 0.99))
def test_each_step_has_one_part_and_gaps_part_what_calibrates_from_what_is_learned(n_steps, block, gap, share):
    try:
        blocks = calibration_blocks(n_steps, block, gap, share)
    except InputError:
        return
    parts = np.array([blocks.calibrates, blocks.set_aside, blocks.free])
    assert_array_equal(parts.sum(axis=0), np.ones(n_steps))
    assert blocks.calibrates.sum() == blocks.n_blocks * block <= n_steps * share + 1e-6
    calibrating, free = np.flatnonzero(blocks.calibrates), np.flatnonzero(blocks.free)
    nearest = min(abs(c - f) for c in calibrating for f in free)
    assert nearest == gap + 1
    for step in np.flatnonzero(blocks.set_aside):
        assert min(abs(c - step) for c in calibrating) <= gap


@given(st.integers(100, 400), st.integers(1, 6), st.integers(0, 3))
def test_blocks_are_evenly_spread_with_steps_to_learn_from_around_each(n_steps, block, gap):
    blocks = calibration_blocks(n_steps, block, gap, 0.3 * block / (block + 2 * gap + 1) + 0.05)
    pitches = np.diff(blocks.starts)
    assert all(abs(pitch - n_steps / blocks.n_blocks) < 1 for pitch in pitches)
    for number, start in enumerate(blocks.starts):
        assert_array_equal(np.flatnonzero(blocks.numbers == number), np.arange(start, start + block))
    for one, next_one in zip(blocks.starts[:-1], blocks.starts[1:], strict=True):
        assert blocks.free[one:next_one].any()


def test_a_share_that_is_a_whole_number_of_blocks_is_used_up():
    assert calibration_blocks(1_000, 10, 5, 0.29).n_blocks == 29


@pytest.mark.parametrize("settings", [
    {"block": 0}, {"block": 2.5}, {"gap": -1}, {"gap": True}, {"share": 0.0}, {"share": 1.0}, {"share": float("nan")},
    {"n_steps": -1},
])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        calibration_blocks(**{"n_steps": 1_000, "block": 10, "gap": 5, "share": 0.2, **settings})


def test_a_series_too_short_for_a_block_says_so():
    with pytest.raises(InputError, match=r"share 0\.1 of 99 steps is less"):
        calibration_blocks(99, 10, 0, 0.1)


def test_a_series_without_room_for_gaps_says_how_much_is_missing():
    with pytest.raises(InputError, match="take 51 steps; 1000 steps with 20 blocks have 50"):
        calibration_blocks(1_000, 10, 20, 0.2)


def _calibration(rng, n_blocks, block):
    return rng.exponential(size=n_blocks * block).round(1), np.repeat(np.arange(n_blocks), block)


@pytest.mark.parametrize(("n_blocks", "block"), [(1, 1), (1, 7), (30, 1), (12, 5)])
def test_step_p_values_equal_the_double_loop(n_blocks, block):
    rng = np.random.default_rng(n_blocks)
    calibration, numbers = _calibration(rng, n_blocks, block)
    scores = rng.exponential(size=60).round(1)
    order = rng.permutation(len(calibration))
    expected = []
    for score in scores:
        at_least = block
        for other in calibration:
            at_least += other >= score
        expected.append(at_least / (len(calibration) + block))
    assert_array_equal(step_p_values(scores, calibration[order], numbers[order]), expected)


def test_the_smallest_p_value_is_that_of_one_block_more_than_there_are():
    blocks = calibration_blocks(1_000, 10, 5, 0.2)
    p = step_p_values([1e9], np.zeros(200), blocks.numbers[blocks.calibrates])
    assert p[0] == pytest.approx(blocks.smallest_p)
    assert span_p_values([1e9], np.zeros(blocks.n_blocks))[0] == blocks.smallest_p


def test_the_longest_block_is_what_the_new_one_counts_as():
    assert_array_equal(step_p_values([9.0], [1.0, 2.0, 3.0, 4.0], [0, 1, 1, 1]), [3 / 7])


def test_shares_of_a_block_keep_to_alpha_for_every_way_to_choose_the_new_block_from_all():
    """Block permutation itself: each of all blocks is the new one in turn, the mean share over all is at most alpha."""
    scores = np.random.default_rng(3).normal(size=(40, 6)).round(1) + np.random.default_rng(4).normal(size=(40, 1)) * 3
    numbers = np.repeat(np.arange(39), 6)
    p = np.array([step_p_values(scores[new], np.delete(scores, new, axis=0).ravel(), numbers) for new in range(40)])
    for alpha in np.linspace(0.01, 1, 100):
        assert (p <= alpha).mean() <= alpha + 1e-12


def test_one_step_is_scored_as_among_many():
    rng = np.random.default_rng(5)
    calibration, numbers = _calibration(rng, 20, 4)
    scores = rng.exponential(size=50)
    together = step_p_values(scores, calibration, numbers)
    assert_array_equal(together, np.concatenate([step_p_values([s], calibration, numbers) for s in scores]))


def test_span_p_values_equal_the_double_loop_over_blocks():
    rng = np.random.default_rng(6)
    calibration, numbers = _calibration(rng, 25, 8)
    order = rng.permutation(len(calibration))
    maxima = block_maxima(calibration[order], numbers[order])
    assert_array_equal(maxima, [max(calibration[numbers == number]) for number in range(25)])
    peaks = rng.exponential(3, size=40).round(1)
    assert_array_equal(span_p_values(peaks, maxima),
                       [(1 + sum(max(calibration[numbers == b]) >= peak for b in range(25))) / 26 for peak in peaks])


@pytest.mark.parametrize(("scores", "numbers"), [
    ([], np.array([], int)), ([1.0, np.nan], [0, 0]), ([1.0, 2.0], [0]), ([1.0, 2.0], [0.0, 1.0]),
    ([1.0, 2.0], [-1, 0]),
])
def test_calibration_scores_without_value_or_block_are_refused(scores, numbers):
    with pytest.raises(InputError):
        step_p_values([1.0], scores, numbers)
    with pytest.raises(InputError):
        block_maxima(scores, numbers)
