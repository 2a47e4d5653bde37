import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.probability_curve import ProbabilityCurve


def drawn(rng, n, centre=4.0):
    scores = rng.exponential(size=n)
    truth = expit(2 * (scores - centre))
    return scores, rng.random(n) < truth, truth


def test_probabilities_are_those_that_made_the_verdicts():
    rng = np.random.default_rng(0)
    curve = ProbabilityCurve().fit(*drawn(rng, 50_000)[:2])
    scores, _, truth = drawn(rng, 50_000)
    found = expit(curve(scores))
    assert_allclose(found.sum(), truth.sum(), rtol=0.05)
    for low, high in ((0, 0.003), (0.003, 0.03), (0.03, 0.3), (0.3, 0.7), (0.7, 1)):
        inside = (truth > low) & (truth <= high)
        assert_allclose(found[inside].mean(), truth[inside].mean(), rtol=0.25)


@pytest.mark.parametrize("n_frauds", [1, 40])
def test_no_two_scores_share_a_probability_and_none_is_certain(n_frauds):
    rng = np.random.default_rng(1)
    scores = rng.normal(size=2_000)
    fraud = np.zeros(2_000, bool)
    fraud[np.argsort(scores)[-n_frauds:]] = True
    new = np.sort(np.r_[scores, -1e6, 1e6, 1e12])
    found = ProbabilityCurve().fit(scores, fraud)(new)
    assert (np.diff(found) > 0).all()
    assert 0 < expit(found[0]) < expit(found[-1]) < 1


def test_scores_that_say_nothing_keep_their_order_and_the_base_rate():
    rng = np.random.default_rng(2)
    scores, fraud = rng.normal(size=20_000), rng.random(20_000) < 0.01
    found = ProbabilityCurve().fit(-np.abs(scores), fraud)(np.linspace(-3, -0.1, 50))
    assert (np.diff(found) > 0).all()
    assert_allclose(expit(found), 0.01, rtol=0.5)


def test_falling_rates_are_pooled():
    scores = np.arange(4_000.0)
    fraud = (scores < 400) & (scores % 2 == 0)
    assert_allclose(expit(ProbabilityCurve().fit(scores, fraud)(scores)), 0.05, rtol=0.05)


def test_equal_scores_get_equal_probabilities():
    scores = np.repeat([0.0, 1.0], [900, 100])
    curve = ProbabilityCurve().fit(scores, np.r_[np.zeros(900), np.ones(50), np.zeros(50)])
    assert_allclose(expit(curve([0.0, 1.0])), [0.05 / 901, 50.05 / 101])
    assert_allclose(expit(ProbabilityCurve().fit(np.ones(10), np.arange(10) < 5)([1.0])), 0.5)


def test_probable_frauds_weigh_as_much_as_they_are_probable():
    rng = np.random.default_rng(3)
    scores, _, truth = drawn(rng, 20_000)
    found = ProbabilityCurve().fit(scores, truth)(np.linspace(1, 4, 9))
    assert_allclose(expit(found), expit(2 * (np.linspace(1, 4, 9) - 4)), rtol=0.2)


def test_a_row_does_not_see_the_others_and_a_state_gives_the_same():
    rng = np.random.default_rng(4)
    curve = ProbabilityCurve().fit(*drawn(rng, 3_000)[:2])
    scores = rng.exponential(size=50) * 3
    whole = curve(scores)
    assert_array_equal(np.concatenate([curve(scores[i:i + 1]) for i in range(50)]), whole)
    assert_array_equal(ProbabilityCurve.from_state(curve.to_state())(scores), whole)


@pytest.mark.parametrize(("scores", "fraud"), [
    ([1.0, 2.0], [0, 0]), ([1.0, 2.0], [1, 1]), ([1.0], [0, 1]), ([1.0, np.nan], [0, 1]), ([1.0, 2.0], [0, 2]),
])
def test_verdicts_that_teach_nothing_are_refused(scores, fraud):
    with pytest.raises(InputError):
        ProbabilityCurve().fit(scores, fraud)
