from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import spearmanr

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.distances import TailHead
from anomaly_cl.scoring.extreme import ExtremeHead


def test_rows_are_ordered_as_by_the_largest_tail_surprise() -> None:
    rng = np.random.default_rng(0)
    ranks = ndtri((rng.permuted(np.tile(np.arange(2_000), (6, 1)), axis=1).T + 0.5) / 2_000)
    T = np.column_stack([ranks, rng.exponential(size=2_000)])
    sides = np.array([True] * 6 + [False])
    new = np.column_stack([1.5 * rng.normal(size=(500, 6)), rng.exponential(1.5, 500)])
    extreme, tail = (head.fit(T, sides).distances(new) for head in (ExtremeHead(), TailHead()))
    assert spearmanr(extreme, tail).statistic > 0.98


def test_one_sided_values_deviate_by_the_share_of_rows_above() -> None:
    values = np.arange(1.0, 1_000.0)[:, None]
    head = ExtremeHead().fit(values, [False])
    low, median, high = head.distances([[1.0], [500.0], [975.0]])
    assert low < 0.01
    assert median == pytest.approx(0.674, abs=0.01)  # half of a normal variable is farther out
    assert high == pytest.approx(2.24, abs=0.05)  # and a share of 0.025
    assert np.isfinite(head.distances([[1e30]])).all()


def test_state_and_refusals() -> None:
    rng = np.random.default_rng(1)
    T = rng.normal(size=(300, 3))
    head = ExtremeHead().fit(T, [True, False, True])
    np.testing.assert_array_equal(ExtremeHead.from_state(head.to_state()).distances(T), head.distances(T))
    with pytest.raises(InputError, match="two_sided"):
        ExtremeHead().fit(T, [True])
