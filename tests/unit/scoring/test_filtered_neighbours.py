from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anomaly_cl.scoring.candidates import best_candidates
from anomaly_cl.scoring.distances import KNNHead
from anomaly_cl.scoring.filtered import FilteredNeighbours

K = 5
Draw = Callable[[np.random.Generator, int], np.ndarray]


def brute(bank: np.ndarray, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and positions (rows, k), row by row."""
    apart = np.sqrt(np.stack([np.square(bank.astype(float) - x.astype(float)).sum(axis=1) for x in X]))
    order = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(apart, order, 1), order


def of_few_factors(rng: np.random.Generator, n: int) -> np.ndarray:
    loadings = np.random.default_rng(7).normal(size=(6, 90))
    return rng.normal(size=(n, 6)) @ loadings + 0.4 * rng.normal(size=(n, 90))


def one_hot_and_numbers(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.hstack([np.eye(12)[rng.integers(0, 12, n)] * np.sqrt(2), np.eye(30)[rng.integers(0, 30, n)],
                      rng.standard_t(3, size=(n, 9))])


def without_structure(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 70))


def on_a_lattice(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(0, 3, (n, 20)).astype(float)


@pytest.mark.parametrize("draw", [of_few_factors, one_hot_and_numbers, without_structure, on_a_lattice])
def test_recall_at_5_of_normal_rows_is_99_percent_against_brute_force(draw: Draw) -> None:
    rng = np.random.default_rng(0)
    bank, X = draw(rng, 4_000).astype(np.float32), draw(rng, 400).astype(np.float32)
    found, which = FilteredNeighbours.fit(bank).query(X, K)
    true, _ = brute(bank, X, K)
    assert np.mean(found <= true[:, -1:] * (1 + 1e-5)) >= 0.99
    measured = np.sqrt(np.square(bank[which].astype(float) - X[:, None].astype(float)).sum(axis=2))
    np.testing.assert_allclose(found, measured, rtol=1e-5, atol=1e-6)  # what is found is told as far as it is


@pytest.mark.parametrize("draw", [of_few_factors, one_hot_and_numbers, without_structure, on_a_lattice])
@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_strange_rows_are_found_as_far_as_they_are(draw: Draw, noise: float) -> None:
    rng = np.random.default_rng(1)
    bank = draw(rng, 4_000).astype(np.float32)
    X = (draw(rng, 100) + noise * rng.normal(size=(100, bank.shape[1]))).astype(np.float32)
    found, true = FilteredNeighbours.fit(bank).query(X, K)[0], brute(bank, X, K)[0]
    assert (found.mean(axis=1) >= true.mean(axis=1) * (1 - 1e-6)).all()
    assert np.mean(found.mean(axis=1) / true.mean(axis=1)) < 1.005


def test_fewer_components_are_kept_where_few_say_all() -> None:
    rng = np.random.default_rng(1)
    low = rng.normal(size=(2_000, 4)) @ rng.normal(size=(4, 120))
    full = rng.normal(size=(2_000, 120))
    few, many = (FilteredNeighbours.fit(bank.astype(np.float32)).components for bank in (low, full))
    assert few == 16
    assert many > 64


def test_a_distance_does_not_depend_on_the_rows_measured_with_it() -> None:
    rng = np.random.default_rng(2)
    index = FilteredNeighbours.fit(of_few_factors(rng, 3_000).astype(np.float32))
    X = of_few_factors(rng, 700).astype(np.float32)
    distances, which = index.query(X, K)
    for rows in (slice(0, 1), slice(5, 300), slice(127, 129), np.arange(699, -1, -7)):
        again, positions = index.query(X[rows], K)
        np.testing.assert_array_equal(again, distances[rows])
        np.testing.assert_array_equal(positions, which[rows])


@pytest.mark.parametrize("n_rows", [1, 2, 3, 12, 300])
def test_small_banks_give_what_they_have(n_rows: int) -> None:
    rng = np.random.default_rng(3)
    bank, X = rng.normal(size=(n_rows, 5)).astype(np.float32), rng.normal(size=(9, 5)).astype(np.float32)
    distances, which = FilteredNeighbours.fit(bank).query(X, K)
    true, order = brute(bank, X, min(K, n_rows))
    np.testing.assert_allclose(distances, true, rtol=1e-5)
    np.testing.assert_array_equal(which, order)


def test_huge_values_are_far_and_not_infinite() -> None:
    rng = np.random.default_rng(4)
    bank = rng.normal(size=(500, 30)).astype(np.float32)
    bank[7] = 1e6
    index = FilteredNeighbours.fit(bank)
    X = np.zeros((2, 30), np.float32)
    X[0, 3], X[1] = 1e6, 1e6
    distances, which = index.query(X, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = index.query(np.full((1, 30), 1e30, np.float32), 3)[1]
    assert (beyond < 500).all()  # nothing is told of what is too large, and nothing but the bank is read
    np.testing.assert_allclose(distances[0], 1e6, rtol=1e-4)
    assert distances[1, 0] == 0
    assert which[1, 0] == 7


def test_a_head_with_this_search_comes_back_from_its_state_and_keeps_exact_own_distances() -> None:
    rng = np.random.default_rng(5)
    bank, X = of_few_factors(rng, 1_500).astype(np.float32), of_few_factors(rng, 60).astype(np.float32)
    exact, quick = (KNNHead(local_power=0.5, search=search).fit(bank) for search in ("exact", "filtered"))
    np.testing.assert_array_equal(quick.leave_one_out(), exact.leave_one_out())
    np.testing.assert_allclose(quick.distances(X), exact.distances(X), rtol=0.02)
    again = KNNHead.from_state(quick.to_state())
    assert again.search == "filtered"
    np.testing.assert_array_equal(again.distances(X), quick.distances(X))


def test_the_best_candidates_are_those_of_a_full_sort() -> None:
    rng = np.random.default_rng(6)
    estimates = rng.normal(size=(40, 1_024)).astype(np.float32)
    for n in (1, 13, 300, 1_024):
        found = np.sort(best_candidates(estimates, n), axis=1)
        np.testing.assert_array_equal(found, np.sort(np.argsort(-estimates, axis=1)[:, :n], axis=1))
