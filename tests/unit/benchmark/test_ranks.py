from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy import stats

from apps.benchmark import __main__ as command
from apps.benchmark import ranks, report
from apps.benchmark.ranks import compare, critical_difference, friedman, groups, holm

# AUC of four variants of C4.5 on 14 data sets: Demšar 2006, table 6
DEMSAR = np.array([
    [.763, .768, .771, .798], [.599, .591, .590, .569], [.954, .971, .968, .967], [.628, .661, .654, .657],
    [.882, .888, .886, .898], [.936, .931, .916, .931], [.661, .668, .609, .685], [.583, .583, .563, .625],
    [.775, .838, .866, .875], [1.0, 1.0, 1.0, 1.0], [.940, .962, .965, .962], [.619, .666, .614, .669],
    [.972, .981, .9751, .975], [.957, .978, .946, .970],
])


def test_friedman_equals_the_example_of_demsar() -> None:
    found = friedman(DEMSAR)
    np.testing.assert_allclose(found.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=0.001)
    assert found.p_value < 0.05  # the paper's F of 3.69 leaves ties uncorrected


def test_friedman_equals_scipy() -> None:
    scores = np.random.default_rng(0).integers(0, 6, size=(12, 5)) + np.arange(5)
    chi_square = stats.friedmanchisquare(*scores.T).statistic
    assert friedman(scores).statistic == pytest.approx(11 * chi_square / (12 * 4 - chi_square))


def test_equal_models_do_not_differ() -> None:
    assert friedman(np.ones((5, 3))).p_value == 1


def test_models_in_one_order_everywhere_differ_beyond_doubt() -> None:
    assert friedman(np.tile([1.0, 2.0, 3.0], (6, 1))).p_value == 0


@pytest.mark.parametrize(("n_models", "q"), [(2, 1.960), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_uses_the_published_quantiles(n_models: int, q: float) -> None:
    expected = q * np.sqrt(n_models * (n_models + 1) / (6 * 14))
    assert critical_difference(14, n_models) == pytest.approx(expected, rel=5e-4)


def test_groups_equal_the_pairwise_differences() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        mean_ranks = rng.uniform(1, 8, size=8)
        spans = groups(mean_ranks, 1.3)
        for a in mean_ranks:
            for b in mean_ranks[mean_ranks > a]:
                assert (b - a < 1.3) == any(low <= a and b <= high for low, high in spans)


def test_comparison_counts_and_tests() -> None:
    ours = np.array([3.0, 2.0, 2.0, 5.0, 4.0, 7.0])
    other = np.array([1.0, 2.0, 1.5, 4.0, 5.0, 3.0])
    found = compare(ours, other)
    assert (found.wins, found.ties, found.losses) == (4, 1, 1)
    assert 0 < found.p_value < 1
    assert compare(ours, ours).p_value == 1


def test_holm_equals_its_definition() -> None:
    p = np.random.default_rng(2).uniform(0, 0.2, size=7)
    ordered = sorted(p)
    slow = {value: min(1, max((7 - j) * ordered[j] for j in range(i + 1))) for i, value in enumerate(ordered)}
    np.testing.assert_allclose(holm(p), [slow[value] for value in p])


@pytest.mark.parametrize("module", [ranks, report, command])
def test_examples_in_docstrings_run(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed
