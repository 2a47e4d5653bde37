import doctest

import pytest

from anomaly_cl.scoring import calibration, fusion, thresholds


@pytest.mark.parametrize("module", [calibration, fusion, thresholds])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
