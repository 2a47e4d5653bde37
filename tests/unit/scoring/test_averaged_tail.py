import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from anomaly_cl.scoring.averaged_tail import (
    FAMILIES,
    LEAST_SHARE_OF_MEAN,
    MIDDLE,
    PRIOR_SHAPE,
    average_tails,
)

NAMES = [family.name for family in FAMILIES]


def _slow_log_survival(z, power, rate, scale):
    grown = 1 + rate * z
    if power == 0:
        logs = -np.log(np.maximum(grown, 1e-300)) / scale
    else:
        logs = -(np.maximum(grown, 0) ** power - 1) / (power * scale)
    return np.where(grown > 0, logs, -np.inf)


def _slow_posterior(z, family, far):
    """Evidence, and posterior weights and survival over a fine grid of rate and scale, by the plain densities."""
    rates = np.geomspace(1e-3, 1e7, 160) / z.max()
    if family.bounded:
        rates = (np.geomspace(1e-6, 0.999, 160) - 1) / z.max()
    if family.power == 1:
        rates = np.array([1.0])
    logs, survival = [], []
    for rate in rates:
        mean = -_slow_log_survival(z, family.power, rate, 1.0).mean()
        for scale in np.abs(mean) * np.exp(np.linspace(-0.5, 0.5, 25)) * np.sign(mean):
            density = np.log(np.abs(rate / scale)) + (family.power - 1) * np.log(1 + rate * z)
            log_likelihood = (density + _slow_log_survival(z, family.power, rate, scale)).sum()
            shape = (1 - family.power) * scale
            log_prior = np.log(family.prior)
            if family.power != 1:
                log_prior += stats.halfnorm.logpdf(abs(shape), scale=PRIOR_SHAPE) + np.log(abs(shape))
            logs.append(log_likelihood + log_prior)
            survival.append(np.exp(_slow_log_survival(far, family.power, rate, scale)))
    width = np.gradient(np.log(np.abs(rates))) if len(rates) > 1 else np.ones(1)
    weights = np.array(logs) + np.repeat(np.log(np.abs(width)), 25)
    return weights, np.array(survival)


@pytest.mark.parametrize("truth", [stats.norm(), stats.expon(), stats.lognorm(1), stats.uniform()],
                         ids=["Gaussian", "exponential", "lognormal", "uniform"])
def test_the_average_equals_the_plain_bayesian_sum(truth):
    sample = np.sort(truth.rvs(size=3000, random_state=1))
    z = sample[-300:] - sample[-301]
    far = z.max() * np.array([0.5, 1.0, 1.3, 2.0])
    slow = [_slow_posterior(z, family, far) for family in FAMILIES]
    top = max(weights.max() for weights, _ in slow)
    evidence = np.array([np.exp(weights - top).sum() for weights, _ in slow])
    fitted = average_tails(z)
    found = np.array([fitted.shares.get(name, 0) for name in NAMES])
    assert_allclose(found, evidence / evidence.sum(), atol=0.03)
    expected = np.zeros(len(far))
    for family, share, (weights, survival) in zip(FAMILIES, found, slow, strict=True):
        weights = np.exp(weights - weights.max())
        weights /= weights.sum()
        value = weights @ survival
        if family.bounded:
            value = np.maximum([_quantile(column, weights) for column in survival.T], LEAST_SHARE_OF_MEAN * value)
        expected += share * value
    # the prior is taken at the scale's estimate, not along the scale: hence the tolerance
    assert_allclose(np.log(fitted.survival(far) + 1e-9), np.log(expected + 1e-9), atol=0.25)


def _quantile(values, weights):
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(weights[order]), MIDDLE)]


@pytest.mark.parametrize(("truth", "name"), [
    (stats.pareto(2), "power law"), (stats.expon(), "exponential"), (stats.norm(), "Gaussian"),
    (stats.uniform(), "bounded"), (stats.weibull_min(0.5), "stretched exponential"),
])
def test_the_true_family_is_recognised_on_many_rows(truth, name):
    sample = np.sort(truth.rvs(size=20_000, random_state=0))
    shares = average_tails(sample[-4000:] - sample[-4001]).shares
    assert max(shares, key=shares.__getitem__) == name
    assert sum(shares.values()) == pytest.approx(1)


def test_the_average_scales_with_the_excesses():
    z = np.random.default_rng(0).exponential(size=100)
    far = np.array([0.0, 1.0, 5.0, 20.0])
    for unit in (1e-100, 1e9, 1e140):
        assert_allclose(average_tails(z * unit).survival(far * unit), average_tails(z).survival(far), rtol=1e-6)


@pytest.mark.parametrize("z", [[1.0], [1.0, 2.0], [1.0] * 30, [1e-300, 1.0, 1e300], [1e-12] * 5 + [2e-12]])
def test_the_average_is_finite_on_few_equal_or_far_apart_excesses(z):
    p = average_tails(np.array(z)).survival(np.max(z) * np.array([0.0, 0.5, 1.0, 2.0, 1e6]))
    assert np.isfinite(p).all()
    assert (np.diff(p) <= 0).all()
    assert p[0] == pytest.approx(1)


def test_an_endpoint_is_not_believed_to_the_last():
    z = np.random.default_rng(0).uniform(size=500)
    fitted = average_tails(z)
    assert fitted.shares == pytest.approx({"bounded": 1})
    beyond = fitted.survival(np.array([z.max() * (1 + 1e-4), z.max() * 1.002, 1.5]))
    assert beyond[0] > 1e-4
    assert beyond[1] > 1e-6
    assert beyond[2] < 1e-9


def test_the_claim_is_never_below_its_share_of_the_predictive_probability():
    for seed in range(20):
        z = np.random.default_rng(seed).beta(2, 2, size=300)
        fitted = average_tails(np.sort(z)[-30:] - np.sort(z)[-31])
        far = fitted.largest * np.linspace(1, 3, 200)
        hazards = [(one, np.log1p(np.where(1 + one.rates[:, None] * far / fitted.largest > 0,
                                           one.rates[:, None] * far / fitted.largest, np.nan)))
                   for one in fitted.candidates if one.family.bounded]
        predictive = sum(np.nansum(one.weights[:, None] * np.exp(-logs / one.scales[:, None]), axis=0)
                         for one, logs in hazards)
        assert (fitted.survival(far) >= 0.9 * LEAST_SHARE_OF_MEAN * predictive).all()
