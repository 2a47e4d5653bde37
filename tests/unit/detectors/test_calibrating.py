import pytest

from anomaly_cl.detectors.calibrating import CROSS_BELOW, CROSS_CELLS, resolve_plan
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table.split import CrossFit, Split

NARROW = Schema((Column("a", "numeric", "double"),))
WIDE = Schema((Column("v", "vector", "list<item: float>", size=CROSS_CELLS // 1_000 + 1),))


def test_small_data_are_cross_fitted_and_large_or_wide_ones_split():
    assert isinstance(resolve_plan("auto", CROSS_BELOW - 1, NARROW), CrossFit)
    assert isinstance(resolve_plan("auto", CROSS_BELOW, NARROW), Split)
    assert isinstance(resolve_plan("auto", 1_000, WIDE), Split)


def test_a_plan_is_taken_by_name_or_as_it_is():
    assert resolve_plan("cross", 10**6, NARROW) == CrossFit()
    assert resolve_plan("split", 10, NARROW) == Split()
    assert resolve_plan(CrossFit(3), 10, NARROW) == CrossFit(3)
    with pytest.raises(UsageError, match="calibration"):
        resolve_plan("jackknife", 10, NARROW)
