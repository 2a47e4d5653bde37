import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.detectors.series_heads import (
    FAR_OUT,
    LEAST_SPREAD,
    SCALED,
    VIEWS,
    beside_median,
    centred,
    scaled,
    tempered,
)

WINDOWS = np.random.default_rng(0).normal(3, 2, size=(20, 16)).astype(np.float32)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8, 1.0])
def test_the_distance_from_the_median_equals_the_loop(missing):
    rng = np.random.default_rng(1)
    values = np.where(rng.random(80) < missing, np.nan, rng.normal(size=80))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice")
        expected = [abs(value - np.nanmedian(values[max(0, i - 2):i + 3])) for i, value in enumerate(values)]
    assert_allclose(beside_median(values), expected, atol=1e-15)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_short_series_have_medians_too(n):
    values = np.arange(float(n))
    assert_allclose(beside_median(values), np.abs(values - (n - 1) / 2))


def test_views_of_a_row_are_those_of_the_loop_and_do_not_see_the_others():
    slow = {
        "centred": lambda row: row - row.mean(),
        "scaled": lambda row: (row - row.mean()) / max(row.std(), LEAST_SPREAD) ** SCALED,
        "differences": lambda row: [b - a for a, b in pairwise(row)],
        "level": lambda row: row,
    }
    assert set(slow) == set(VIEWS)
    for name, view in VIEWS.items():
        assert_allclose(view(WINDOWS), [slow[name](row.astype(float)) for row in WINDOWS], atol=1e-5)
        assert_array_equal(view(WINDOWS)[[4]], view(WINDOWS[[4]]))
        assert view(WINDOWS).dtype == np.float32


def test_all_views_but_the_level_are_blind_to_a_shift():
    for name, view in VIEWS.items():
        same = np.allclose(view(WINDOWS + 10), view(WINDOWS), atol=1e-4)
        assert same == (name != "level")


def test_a_flat_window_is_not_blown_up():
    flat = np.random.default_rng(2).normal(0, 1e-6, (1, 16))
    assert np.abs(scaled(flat)).max() < 3 * np.abs(centred(flat)).max()


def test_tempered_surprise_keeps_the_order_and_what_is_within_reach():
    surprise = np.concatenate([np.linspace(0, FAR_OUT, 50), np.geomspace(FAR_OUT + 1e-9, 1e6, 200)])
    found = tempered(surprise)
    assert (found[:50] == surprise[:50]).all()
    assert (np.diff(found) > 0).all()
    assert_allclose(found[50], FAR_OUT)
    assert found[-1] < 13 * FAR_OUT
