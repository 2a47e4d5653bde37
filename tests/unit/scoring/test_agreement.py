import doctest

import numpy as np
import pytest
from scipy.stats import spearmanr

from anomaly_cl.errors import InputError
from anomaly_cl.scoring import agreement
from anomaly_cl.scoring.agreement import rank_correlation, top_overlap


def test_the_examples_are_true():
    assert doctest.testmod(agreement).failed == 0


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_equals_scipys_with_ties(seed):
    a, b = np.random.default_rng(seed).integers(0, 9, (2, 40))
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_the_top_of_equal_scorings_is_equal_and_of_opposite_ones_disjoint():
    scores = np.arange(30.0)
    assert top_overlap(scores, scores, 7) == 1
    assert top_overlap(scores, -scores, 7) == 0
    assert top_overlap(np.zeros(30), np.zeros(30), 7) == 1


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError):
        rank_correlation([1, np.nan], [1, 2])
