import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.metrics import average_precision_score

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.noisy_or import NoisyOr


def drawn(rng, n):
    """Two independent causes, each of which suffices, and the truth of each."""
    scores = {"strange": rng.exponential(size=n), "terminal": rng.normal(size=n)}
    truth = {"strange": expit(2 * (scores["strange"] - 4.5)), "terminal": expit(4 * (scores["terminal"] - 2.2))}
    fraud = (rng.random(n) < truth["strange"]) | (rng.random(n) < truth["terminal"])
    return scores, fraud, truth


def test_the_probability_and_each_cause_are_those_that_made_the_frauds():
    rng = np.random.default_rng(0)
    joined_or = NoisyOr().fit(*drawn(rng, 60_000)[:2])
    scores, _, truth = drawn(rng, 60_000)
    joined = joined_or(scores)
    together = 1 - (1 - truth["strange"]) * (1 - truth["terminal"])
    assert_allclose(joined.probability.sum(), together.sum(), rtol=0.05)
    for low, high in ((0.01, 0.1), (0.1, 0.5), (0.5, 1)):
        inside = (together > low) & (together <= high)
        assert_allclose(joined.probability[inside].mean(), together[inside].mean(), rtol=0.15)
    for cause, p in truth.items():
        alone = (p > 0.5) & (together - p < 0.1)
        assert joined.shares[cause][alone].mean() > 0.9


def test_fitted_one_by_one_the_causes_would_claim_more_than_there_is():
    rng = np.random.default_rng(1)
    scores, fraud, _ = drawn(rng, 30_000)
    survival = np.ones(len(fraud))
    for cause, values in scores.items():
        survival *= 1 - NoisyOr().fit({cause: values}, fraud)({cause: values}).probability
    assert (1 - survival).sum() > 1.2 * fraud.sum()
    assert_allclose(NoisyOr().fit(scores, fraud)(scores).probability.sum(), fraud.sum(), rtol=0.03)


def test_joined_is_the_noisy_or_of_its_curves():
    rng = np.random.default_rng(2)
    scores, fraud, _ = drawn(rng, 5_000)
    noisy_or = NoisyOr().fit(scores, fraud)
    joined = noisy_or(scores)
    p = {cause: expit(curve(scores[cause])) for cause, curve in noisy_or.curves_.items()}
    expected = 1 - (1 - p["strange"]) * (1 - p["terminal"])
    assert_allclose(joined.probability, expected, rtol=1e-10)
    assert_allclose(joined.score, np.log(expected / (1 - expected)), rtol=1e-8)
    assert_allclose(sum(joined.shares.values()), 1)
    assert_allclose(joined.shares["strange"], np.log1p(-p["strange"]) / np.log1p(-expected), rtol=1e-8)


def test_where_other_causes_are_equal_the_order_is_that_of_the_score():
    rng = np.random.default_rng(3)
    noisy_or = NoisyOr().fit(*drawn(rng, 20_000)[:2])
    strange = np.sort(rng.exponential(size=500))
    for terminal in (-1.0, 1.5, 6.0):
        assert (np.diff(noisy_or({"strange": strange, "terminal": np.full(500, terminal)}).score) > 0).all()


def test_a_cause_that_says_nothing_does_little_harm():
    rng = np.random.default_rng(4)
    scores, fraud, _ = drawn(rng, 40_000)
    with_noise = scores | {"noise": rng.normal(size=40_000)}
    half = slice(20_000), slice(20_000, None)
    fit, test = ({cause: values[part] for cause, values in with_noise.items()} for part in half)
    without = {cause: values for cause, values in fit.items() if cause != "noise"}
    plain = NoisyOr().fit(without, fraud[half[0]])({cause: test[cause] for cause in without}).score
    noisy = NoisyOr().fit(fit, fraud[half[0]])(test).score
    of = fraud[half[1]]
    assert average_precision_score(of, noisy) > 0.97 * average_precision_score(of, plain)


def test_a_row_does_not_see_the_others_and_a_state_gives_the_same():
    rng = np.random.default_rng(5)
    noisy_or = NoisyOr().fit(*drawn(rng, 5_000)[:2])
    scores = drawn(rng, 40)[0]
    whole, again = noisy_or(scores), NoisyOr.from_state(noisy_or.to_state())(scores)
    single = [noisy_or({cause: values[i:i + 1] for cause, values in scores.items()}) for i in range(40)]
    assert_array_equal(np.concatenate([each.score for each in single]), whole.score)
    assert_array_equal(again.score, whole.score)
    for cause, share in whole.shares.items():
        assert_array_equal(np.concatenate([each.shares[cause] for each in single]), share)
        assert_array_equal(again.shares[cause], share)


def test_the_order_of_causes_changes_nothing():
    rng = np.random.default_rng(6)
    scores, fraud, _ = drawn(rng, 5_000)
    backwards = dict(reversed(scores.items()))
    assert_array_equal(NoisyOr().fit(scores, fraud)(backwards).score, NoisyOr().fit(backwards, fraud)(scores).score)


def test_few_frauds_no_causes_and_others_than_fitted_are_refused():
    scores = {"strange": np.arange(100.0)}
    with pytest.raises(InputError, match="20 frauds"):
        NoisyOr().fit(scores, np.arange(100) > 90)
    with pytest.raises(InputError, match="legitimate"):
        NoisyOr().fit(scores, np.ones(100, bool))
    with pytest.raises(InputError, match="cause"):
        NoisyOr().fit({}, np.arange(100) > 50)
    with pytest.raises(InputError, match="strange"):
        NoisyOr().fit(scores, np.arange(100) > 50)({"terminal": np.arange(100.0)})
