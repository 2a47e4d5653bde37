from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError
from anomaly_cl.scoring import cross_surprise as module
from anomaly_cl.scoring.cross_surprise import cross_surprise
from anomaly_cl.scoring.fusion import Surprise


def test_each_part_is_judged_by_the_steps_that_are_not_near() -> None:
    distances = np.random.default_rng(0).exponential(size=200)
    found = cross_surprise(distances, gap=7)
    for first in range(0, 200, 20):
        others = [distances[step] for step in range(200) if step < first - 7 or step >= first + 20 + 7]
        assert_allclose(found[first:first + 20], Surprise().fit(others)(distances[first:first + 20]))


def test_half_of_the_steps_remain_however_long_the_gap() -> None:
    distances = np.random.default_rng(0).exponential(size=200)
    assert_array_equal(cross_surprise(distances, gap=10_000), cross_surprise(distances, gap=40))


def test_a_stretch_like_no_other_is_far_beyond_the_curve_of_the_others() -> None:
    distances = np.random.default_rng(0).exponential(size=1_000)
    distances[300:350] += 50
    own = Surprise().fit(distances)(distances)
    assert cross_surprise(distances, gap=50)[300:350].min() > own.max()


def test_a_long_series_is_learned_from_evenly_spaced_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LEARNED", 500)
    distances = np.random.default_rng(0).exponential(size=10_000)
    assert_allclose(cross_surprise(distances, gap=5), -np.log(np.exp(-distances)), rtol=0.5, atol=0.5)


@pytest.mark.parametrize("n_steps", [1, 2, 9, 11])
def test_a_few_steps_have_a_surprise_too(n_steps: int) -> None:
    found = cross_surprise(np.arange(float(n_steps)), gap=3)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_distances_are_finite() -> None:
    with pytest.raises(InputError, match="finite"):
        cross_surprise(np.array([1.0, np.nan]), gap=1)
