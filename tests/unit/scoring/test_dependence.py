import numpy as np
import pytest

from anomaly_cl.scoring.dependence import ENOUGH_COLUMNS, MOST_WEIGHT, contrast_weight, dependence


def test_independent_columns_say_little_about_each_other_and_copies_everything():
    rng = np.random.default_rng(0)
    apart, one = rng.normal(size=(5_000, 8)), rng.normal(size=(5_000, 1))
    assert dependence(apart) < 0.02
    assert dependence(np.repeat(one, 8, axis=1)) == pytest.approx(1 - 1 / 8)


def test_constant_columns_and_units_do_not_count():
    X = np.random.default_rng(1).normal(size=(300, 3)) @ np.random.default_rng(2).normal(size=(3, 6))
    wider = np.column_stack([X * [1, 10, 1e3, 1, 1e-2, 1], np.full(300, 7.0)])
    assert dependence(wider) == pytest.approx(dependence(X))


@pytest.mark.parametrize("shape", [(0, 3), (5, 1), (1, 4)])
def test_where_nothing_can_depend_nothing_does(shape):
    assert dependence(np.ones(shape)) == contrast_weight(np.ones(shape)) == 0


def test_few_columns_weigh_less():
    one = np.random.default_rng(0).normal(size=(400, 1))
    few, enough = np.repeat(one, 4, axis=1), np.repeat(one, ENOUGH_COLUMNS, axis=1)
    assert contrast_weight(few) == pytest.approx(MOST_WEIGHT * (1 - 1 / 4) * 4 / ENOUGH_COLUMNS)
    assert contrast_weight(enough) == pytest.approx(MOST_WEIGHT * (1 - 1 / ENOUGH_COLUMNS))
