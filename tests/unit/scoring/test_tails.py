import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from anomaly_cl.scoring.tails import (
    GeneralisedPareto,
    anderson_darling,
    fit_pareto,
    goodness_of_fit,
)


@pytest.mark.parametrize("shape", [-0.5, 0.0, 1e-9, 0.3, 2.0])
def test_survival_and_quantile_equal_scipy(shape):
    tail, oracle = GeneralisedPareto(shape, 1.7), stats.genpareto(shape, scale=1.7)
    z = np.array([0.0, 0.1, 1.0, 3.0, 3.4, 10.0])
    assert_allclose(tail.log_survival(z), oracle.logsf(z), rtol=1e-7)
    p = np.array([1.0, 0.9, 0.1, 1e-6])
    assert_allclose(tail.quantile(p), oracle.isf(p), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3, 1.0])
def test_the_fit_agrees_with_maximum_likelihood(shape):
    z = stats.genpareto.rvs(shape, scale=3, size=3000, random_state=0)
    likeliest, _, scale = stats.genpareto.fit(z, floc=0)
    fit = fit_pareto(z)
    assert_allclose([fit.shape, fit.scale / 3], [likeliest, scale / 3], atol=0.03)


def test_the_fit_scales_with_the_excesses():
    z = np.random.default_rng(0).exponential(size=50)
    one, many = fit_pareto(z), fit_pareto(z * 1e9)
    assert_allclose([many.shape, many.scale], [one.shape, one.scale * 1e9])


@pytest.mark.parametrize("z", [[1.0], [1.0, 2.0], [1.0] * 30, [1e-300, 1.0, 1e300], [1e-12] * 5 + [2e-12]])
def test_the_fit_is_finite_on_few_equal_or_far_apart_excesses(z):
    fit = fit_pareto(np.array(z))
    assert np.isfinite([fit.shape, fit.scale]).all()


def test_an_excess_that_makes_a_candidate_exponential_is_fitted():
    # with 16 excesses the 9th of 34 candidates is 1 / largest - 1 / (3 quartile), here exactly 0
    z = np.array([1.0] * 4 + [2.0] * 8 + [3.0] * 4)
    assert np.isfinite(fit_pareto(z).log_survival(z)).all()


def test_anderson_darling_equals_its_integral():
    z = np.random.default_rng(1).exponential(size=40)
    tail = GeneralisedPareto(0.2, 1.1)
    u = np.sort(stats.genpareto(0.2, scale=1.1).cdf(z))
    grid = (np.arange(2_000_000) + 0.5) / 2_000_000
    empirical = np.searchsorted(u, grid, side="right") / len(u)
    integral = len(u) * np.mean((empirical - grid) ** 2 / (grid * (1 - grid)))
    assert_allclose(anderson_darling(z, tail), integral, rtol=1e-4)


def test_goodness_of_fit_accepts_its_own_tails_and_rejects_others():
    rng = np.random.default_rng(2)
    own = [goodness_of_fit(z, fit_pareto(z)) for z in stats.genpareto.rvs(0.2, size=(40, 100), random_state=rng)]
    assert np.mean(np.array(own) <= 0.1) < 0.3
    humps = rng.normal(5, 0.3, size=200)
    steps = rng.integers(1, 8, size=200).astype(float)
    assert goodness_of_fit(humps, fit_pareto(humps)) <= 0.01
    assert goodness_of_fit(steps, fit_pareto(steps)) <= 0.01


@pytest.mark.parametrize("enough", [0.005, 0.01, 0.1])
def test_goodness_of_fit_that_ends_early_decides_alike(enough):
    rng = np.random.default_rng(3)
    samples = [*rng.exponential(size=(5, 60)), *rng.normal(5, 0.3, size=(3, 60)), *rng.weibull(2, size=(5, 60))]
    fits = [(z, fit_pareto(z)) for z in samples]
    early = np.array([goodness_of_fit(z, fit, enough=enough) for z, fit in fits])
    full = np.array([goodness_of_fit(z, fit) for z, fit in fits])
    assert_array_equal(early > enough, full > enough)
    assert_array_equal(early[full <= enough], full[full <= enough])
