import doctest

import pytest

from anomaly_cl.scoring import budgets, calibration, evaluation, fdr, fusion, online_fdr, policy, thresholds


@pytest.mark.parametrize("module", [budgets, calibration, evaluation, fdr, fusion, online_fdr, policy, thresholds])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
