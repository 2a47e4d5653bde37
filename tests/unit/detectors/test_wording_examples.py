import doctest

import pytest

from anomaly_cl.detectors import clauses, differing, event_clauses


@pytest.mark.parametrize("module", [clauses, differing, event_clauses], ids=lambda module: module.__name__)
def test_the_examples_of_wording_hold(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
