import doctest

import pytest
import torch

from anomaly_cl.losses import clip, info_nce, nt_xent, pair_weights, sup_con, swav, triplet


@pytest.mark.parametrize("module", [clip, info_nce, nt_xent, pair_weights, sup_con, swav, triplet])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module, extraglobs={"torch": torch})
    assert found.attempted
    assert not found.failed
