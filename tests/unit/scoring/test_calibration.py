import copy
import json

import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.calibration import Calibration, p_values, risk


def _with_ties(rng, n):
    return rng.exponential(size=n).round(1)


@pytest.mark.parametrize("n", [1, 2, 50, 400])
def test_p_values_equal_the_double_loop_and_crepes(n):
    rng = np.random.default_rng(n)
    calibration, scores = _with_ties(rng, n), _with_ties(rng, 80)
    found = p_values(scores, calibration)
    assert_array_equal(found, [(1 + sum(c >= s for c in calibration)) / (n + 1) for s in scores])
    oracle = ConformalClassifier().fit(calibration).predict_p(scores[:, None], smoothing=False)
    assert_allclose(found, oracle.ravel())
    assert_array_equal(Calibration().fit(calibration).p_value(scores), found)


@pytest.mark.parametrize("draw", [lambda rng, n: rng.exponential(size=n), _with_ties])
@pytest.mark.parametrize("n_calibration", [50, 333])
def test_null_p_values_are_super_uniform(draw, n_calibration):
    rng = np.random.default_rng(7)
    splits = [p_values(draw(rng, 100), draw(rng, n_calibration)) for _ in range(400)]
    for alpha in (0.01, 0.05, 0.1, 0.5):
        shares = np.array([(p <= alpha).mean() for p in splits])
        assert shares.mean() <= alpha + 2.33 * shares.std(ddof=1) / np.sqrt(len(shares))


def test_without_ties_no_power_is_given_away():
    rng = np.random.default_rng(8)
    shares = [(p_values(rng.normal(size=200), rng.normal(size=199)) <= 0.1).mean() for _ in range(300)]
    assert np.mean(shares) > 0.09


def test_a_row_that_is_among_the_calibration_rows_of_itself_only():
    assert_array_equal(p_values([5.0], [5.0]), [1.0])
    assert_array_equal(p_values([6.0], [5.0]), [0.5])


SAMPLES = st.one_of(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40),
    st.builds(lambda seed, n: np.random.default_rng(seed).normal(size=n).tolist(), st.integers(0, 50),
              st.integers(1, 1500)),
)


@given(SAMPLES, st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=30))
def test_all_three_are_monotone_and_the_tail_never_exceeds_the_p_value(sample, scores):
    calibration = Calibration().fit(sample)
    scores = np.sort([*scores, *sample[:10]])
    p, tail = calibration.p_value(scores), calibration.p_tail(scores)
    assert (np.diff(p) <= 0).all()
    assert (np.diff(tail) <= 0).all()
    assert (np.diff(calibration.risk(scores)) >= 0).all()
    assert (tail <= p).all()
    assert (tail > 0).all()
    seen = scores <= max(sample)
    assert_array_equal(tail[seen], p[seen])


def test_ranks_survive_beyond_everything_seen():
    calibration = Calibration().fit(np.random.default_rng(0).exponential(size=1000))
    assert "tail of" in calibration.tail_note_
    far = calibration.scores_[-1] + np.array([1.0, 2, 3, 4, 5])
    assert len(set(calibration.p_value(far))) == 1
    assert (np.diff(calibration.risk(far)) > 0).all()
    assert calibration.risk([1e9]) <= 100


@pytest.mark.parametrize("farthest", [0.0, 8.0, 12.0, 14.0, 40.0])
def test_the_tail_starts_no_lower_than_the_largest_row_allows(farthest):
    lowest = []
    for seed in range(10):
        sample = np.append(np.random.default_rng(seed).exponential(size=1000), farthest)
        calibration = Calibration().fit(sample)
        lowest.append(calibration.p_tail([np.nextafter(calibration.scores_[-1], np.inf)])[0])
    assert min(lowest) >= 0.0499 / 1002


@pytest.mark.parametrize(("sample", "why"), [
    ([1.0], "1 calibration rows"),
    (np.arange(99.0), "99 calibration rows"),
    (np.ones(5000), "different scores"),
    (np.arange(5000) % 100.0, "different scores"),
    (np.random.default_rng(0).exponential(15, size=5000).round(), "do not follow"),
    (np.r_[np.zeros(4500), np.random.default_rng(0).normal(50, 1, size=500)], "do not follow"),
])
def test_without_a_tail_p_tail_is_the_p_value_and_says_why(sample, why):
    calibration = Calibration().fit(sample)
    assert calibration.tail_ is None
    assert why in calibration.tail_note_
    scores = np.r_[sample[:50], 1e6]
    assert_array_equal(calibration.p_tail(scores), calibration.p_value(scores))


def test_risk_is_minus_ten_log_ten_p():
    assert_allclose(risk([1.0, 0.5, 1e-3, 1e-10, 1e-300, 0.0]), [0, 3.0103, 30, 100, 100, 100], atol=1e-4)
    calibration = Calibration().fit(np.random.default_rng(0).normal(size=500))
    assert_array_equal(calibration.risk([0.0, 9.0]), risk(calibration.p_tail([0.0, 9.0])))
    for bad in ([1.5], [-0.1], [np.nan]):
        with pytest.raises(InputError):
            risk(bad)


@pytest.mark.parametrize("n", [5, 700])
def test_a_calibration_returns_from_its_state(n):
    calibration = Calibration().fit(np.random.default_rng(0).exponential(size=n))
    state = calibration.to_state()
    json.dumps({"tail_note": state["tail_note"]})
    scores = np.linspace(-1, 40, 99)
    for other in (Calibration.from_state(state), copy.deepcopy(calibration)):
        assert_array_equal(other.p_tail(scores), calibration.p_tail(scores))
        assert_array_equal(other.p_value(scores), calibration.p_value(scores))
        assert other.tail_note_ == calibration.tail_note_


def test_a_state_without_segments_or_with_an_older_tail_is_read():
    calibration = Calibration().fit(np.random.default_rng(0).exponential(size=700))
    state = calibration.to_state()
    assert set(state) == {"scores", "tail", "tail_note"}
    older = {"threshold": 2.0, "share": 0.1, "fit": {
        "estimate": {"shape": 0.0, "scale": 1.0}, "weights": np.ones(1), "shapes": np.zeros(1), "scales": np.ones(1)}}
    read = Calibration.from_state({**state, "tail": older})
    far = calibration.scores_[-1] + np.array([0.5, 2.0])
    assert_allclose(read.p_tail(far), np.minimum(0.1 * np.exp(2 - far), 1 / 701), rtol=0.01)


def test_rows_do_not_see_each_other():
    calibration = Calibration().fit(np.random.default_rng(0).exponential(size=700))
    scores = np.linspace(0, 30, 200)
    alone = np.concatenate([calibration.p_tail(scores[i:i + 1]) for i in range(len(scores))])
    assert_array_equal(alone, calibration.p_tail(scores))
    assert calibration.p_tail(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [[1.0]], ["a"]])
def test_what_is_not_a_finite_number_a_row_is_refused(bad):
    with pytest.raises(InputError):
        p_values(bad, [1.0])
    with pytest.raises(InputError):
        p_values([1.0], bad)
    with pytest.raises(InputError):
        Calibration().fit([1.0]).p_tail(bad)
    with pytest.raises(InputError):
        p_values([1.0], [])


@pytest.mark.parametrize("level", [0.01, 0.02, 0.29, 0.5])
def test_the_threshold_is_where_p_values_reach_the_level_segment_by_segment(level):
    rng = np.random.default_rng(0)
    segments = rng.choice(["a", "b"], 600)
    calibration = Calibration(smallest_segment=100).fit(rng.normal(size=600).round(1) + (segments == "b"), segments)
    scores, asked = rng.normal(size=400).round(1) + 1, rng.choice(["a", "b", "new"], 400)
    reached = scores >= calibration.threshold(level, asked)
    np.testing.assert_array_equal(reached, calibration.p_value(scores, asked) <= level * (1 + 1e-12))
    assert reached.any()
    assert not reached.all()
