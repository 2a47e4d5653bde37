import doctest

import numpy as np
import pytest

from anomaly_cl.features import shrinkage
from anomaly_cl.features.shrinkage import largest_or, shrunk, shrunk_spread


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(shrinkage)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("strength", [3.0, 1.0])
def test_mean_and_spread_are_those_of_the_amounts_and_so_many_typical_ones(strength):
    rng = np.random.default_rng(0)
    g = 50.0
    for n in (1, 2, 40):
        amounts = rng.lognormal(3, 1, n)
        m = shrunk(amounts.mean(), n, g, strength)
        assert m == pytest.approx((amounts.sum() + strength * g) / (n + strength), rel=1e-14)
        s = np.sqrt((n * amounts.var() + strength * (m / 2) ** 2) / (n + strength))
        assert shrunk_spread(amounts.std(), n, m, strength) == pytest.approx(s, rel=1e-14)


def test_without_history_the_global_value_is_left():
    nothing, none = np.full(3, np.nan), np.zeros(3, int)
    g = np.array([10.0, 20.0, 30.0])
    np.testing.assert_array_equal(shrunk(nothing, none, g), g)
    np.testing.assert_array_equal(shrunk_spread(nothing, none, g), g / 2)
    np.testing.assert_array_equal(largest_or(nothing, none, g), 3 * g)


def test_rows_do_not_see_each_other():
    value, count = np.array([1.0, np.nan, 7.0]), np.array([4, 0, 9])
    for function in (shrunk, shrunk_spread, largest_or):
        np.testing.assert_array_equal(function(value, count, 5.0)[:1], function(value[:1], count[:1], 5.0))
