"""Planted anomalies are trimmed, rows of heavy tails and rare kinds are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import euclidean_distances

from anomaly_cl.errors import InputError
from anomaly_cl.scoring import trimming
from anomaly_cl.scoring.trimming import strange_rows, strangeness

ROWS, COLUMNS = 1_000, 6
CLEAN = {
    "normal": lambda rng: rng.normal(size=(ROWS, COLUMNS)),
    "uniform": lambda rng: rng.random((ROWS, COLUMNS)),
    "Student's t, 3": lambda rng: rng.standard_t(3, size=(ROWS, COLUMNS)),
    "Cauchy": lambda rng: rng.standard_cauchy((ROWS, COLUMNS)),
    "lognormal": lambda rng: np.exp(rng.normal(size=(ROWS, COLUMNS))),
    "heavy tails that the columns share": lambda rng: (
        rng.normal(size=(ROWS, COLUMNS)) / np.sqrt(rng.chisquare(3, (ROWS, 1)) / 3)),
    "five kinds": lambda rng: rng.normal(size=(ROWS, COLUMNS)) + 8 * np.eye(COLUMNS)[rng.integers(5, size=ROWS)],
    "rounded": lambda rng: rng.normal(size=(ROWS, COLUMNS)).round(),
    "few different rows": lambda rng: (rng.random((ROWS, COLUMNS)) < 0.05).astype(float),
    "equal rows": lambda rng: np.ones((ROWS, COLUMNS)),
}


def trim(X, contamination="auto", seed=0):
    share = 0.0 if contamination == "auto" else contamination
    strange = strangeness(X, np.ones(len(X), bool), np.random.default_rng(seed), share=share)
    return strange_rows(strange, contamination)


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_rows_lose_next_to_nothing(kind):
    shares = [trim(CLEAN[kind](np.random.default_rng(seed))).mean() for seed in range(5)]
    assert np.mean(shares) <= 0.005


def a_group(rng, n):
    return rng.normal(6, 0.1, size=(n, COLUMNS))


def scattered(rng, n):
    return rng.uniform(-12, 12, size=(n, COLUMNS))


@pytest.mark.parametrize(("anomalies", "share", "recall"), [
    *((a_group, share, 0.95) for share in (0.01, 0.02, 0.05, 0.09)),
    (scattered, 0.05, 0.7), (scattered, 0.09, 0.7),
])
def test_planted_anomalies_are_trimmed_and_little_else(anomalies, share, recall):
    rng = np.random.default_rng(3)
    X = np.concatenate([CLEAN["normal"](rng), anomalies(rng, round(share / (1 - share) * ROWS))])
    mask = trim(X)
    assert mask[ROWS:].mean() > recall
    assert mask[:ROWS].mean() <= 0.005


def test_anomalies_that_vouch_for_each_other_are_missed_by_few_neighbours_and_found_by_many(monkeypatch):
    rng = np.random.default_rng(4)
    X = np.concatenate([CLEAN["normal"](rng), a_group(rng, 50)])
    assert trim(X)[ROWS:].all()
    monkeypatch.setattr(trimming, "REACHES", (0.005, 0.005))
    monkeypatch.setattr(trimming, "FEWEST_NEIGHBOURS", 5)
    assert not trim(X)[ROWS:].any()


def test_a_rare_value_of_one_column_is_a_rare_kind_of_normal_rows():
    rng = np.random.default_rng(12)
    X = np.concatenate([CLEAN["normal"](rng), CLEAN["normal"](rng)[:20]])
    X[ROWS:, 0] = 40
    assert not trim(X).any()
    X[ROWS:, :5] = 40
    assert trim(X)[ROWS:].all()


def test_a_group_of_more_than_a_tenth_is_a_kind_of_normal_rows():
    rng = np.random.default_rng(5)
    X = np.concatenate([CLEAN["normal"](rng), a_group(rng, 200)])
    assert not trim(X).any()


def test_a_given_share_leaves_out_the_strangest_rows():
    rng = np.random.default_rng(6)
    X = np.concatenate([CLEAN["normal"](rng), a_group(rng, 300)])
    mask = trim(X, 300 / 1_300)
    assert mask.sum() == 300
    assert mask[ROWS:].all()


def test_a_given_share_is_the_strangest_also_where_most_rows_are_equal():
    X = np.ones((200, 2))
    X[:3] = [[2, 2], [-3, 4], [3, 3]]
    assert np.flatnonzero(trim(X, 0.015)).tolist() == [0, 1, 2]
    assert not trim(X).any()


def test_strangeness_is_that_of_distances_to_all_other_rows():
    X = np.random.default_rng(7).normal(size=(300, 3)) * [1, 2, 4]
    distances = euclidean_distances(np.clip(X, -4, 4))
    np.fill_diagonal(distances, np.inf)
    ordered = np.sort(distances, axis=1)
    expected = []
    for k in (6, 30):
        logs = np.log(ordered[:, k - 1])
        low, high = np.quantile(logs, [0.7, 0.85])
        scale = (high - low) / np.log(2) * (1 + 1 / np.sqrt(((logs > low) & (logs <= high)).sum()))
        expected.append((logs - low) / scale - np.log(0.3))
    found = strangeness(X, np.ones(300, bool), np.random.default_rng(0))
    assert_allclose(found, np.max(expected, axis=0), rtol=1e-6)


def test_rows_left_out_are_measured_and_not_measured_to():
    rng = np.random.default_rng(8)
    X = np.concatenate([CLEAN["normal"](rng), a_group(rng, 90)])
    kept = np.arange(len(X)) < ROWS
    group = strangeness(X, kept, rng)[ROWS:]
    moved = np.concatenate([X[:ROWS], X[ROWS:ROWS + 1].repeat(90, axis=0)])
    assert_allclose(strangeness(moved, kept, rng)[ROWS:], group[0], rtol=0.2)
    assert group.min() > 5


def test_a_bank_drawn_from_many_rows_finds_the_same(monkeypatch):
    rng = np.random.default_rng(9)
    X = np.concatenate([CLEAN["normal"](rng), a_group(rng, 50)])
    monkeypatch.setattr(trimming, "BANK_ROWS", 300)
    mask = trim(X)
    assert mask[ROWS:].all()
    assert mask[:ROWS].mean() <= 0.005
    assert_array_equal(mask, trim(X))


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(10)
    X = np.concatenate([CLEAN["normal"](rng), scattered(rng, 50)])
    order = rng.permutation(len(X))
    assert_array_equal(trim(X[order]), trim(X)[order])


@pytest.mark.parametrize("n_rows", [2, 3, 20, 60])
def test_few_rows_are_all_trusted(n_rows):
    X = np.random.default_rng(11).normal(size=(n_rows, 2))
    X[-1] = 1e6
    assert not trim(X).any()


def test_values_that_cannot_be_measured_are_refused():
    with pytest.raises(InputError, match="NaN"):
        strangeness(np.full((5, 2), np.nan), np.ones(5, bool), np.random.default_rng(0))
    with pytest.raises(InputError, match="keep more"):
        strangeness(np.ones((5, 2)), np.zeros(5, bool), np.random.default_rng(0))
