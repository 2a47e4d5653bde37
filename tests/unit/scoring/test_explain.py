from itertools import combinations

import numpy as np
import pytest

from anomaly_cl.scoring import explain
from anomaly_cl.scoring.counterfactual import fewest_changes
from anomaly_cl.scoring.explain import (
    Cells,
    contributions,
    falls,
    ordinary_rows,
    pair_contributions,
    scores_of_changes,
    typical_rows,
)


def cells(matrix, column_of=None):
    matrix = np.asarray(matrix, np.float32)
    column_of = np.arange(matrix.shape[1]) if column_of is None else column_of
    tails = np.stack([matrix[:, column_of == column].sum(axis=1) for column in range(column_of.max() + 1)], axis=1)
    return Cells({"rank": matrix, "tails": tails}, {"rank": column_of, "tails": np.arange(tails.shape[1])}, "rank")


def total(rows):
    return rows.matrices["rank"].sum(axis=1) + rows.matrices["tails"].sum(axis=1)


@pytest.fixture
def bank():
    return np.random.default_rng(0).normal(size=(300, 5))


def test_typical_rows_equal_the_loops(bank):
    column_of = np.array([0, 1, 1, 2, 3])
    rows = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32).astype(float)
    there = bank.astype(np.float32).astype(float)
    found = typical_rows(cells(rows, column_of), cells(bank, column_of))
    for i, row in enumerate(rows):
        for column in range(4):
            others = column_of != column
            alike = np.argsort(np.square(row[others] - there[:, others]).sum(axis=1))[:explain.ALIKE_ROWS]
            own = there[alike][:, ~others]
            spread = [sum(np.square(a - b).sum() for b in own) for a in own]
            assert found[i, column] == alike[int(np.argmin(spread))]


def test_what_is_typical_of_a_row_does_not_depend_on_the_others(bank, monkeypatch):
    monkeypatch.setattr(explain, "CELLS", 300 * 5 * 7)
    rows = cells(np.random.default_rng(1).normal(size=(20, 5)))
    together = typical_rows(rows, cells(bank))
    alone = [typical_rows(rows.take(slice(i, i + 1)), cells(bank))[0] for i in range(20)]
    np.testing.assert_array_equal(together, alone)


def test_falls_are_those_of_the_score(bank):
    rows, typical = cells([[9, 0, 0, 0, 0], [0, 0, 3, 0, 9]]), cells(np.repeat(bank[:1], 2, axis=0))
    expected = 2 * (rows.matrices["tails"] - typical.matrices["tails"])
    np.testing.assert_allclose(falls(total, rows, typical), expected, atol=1e-5)


def test_contributions_are_the_means_of_a_columns_fall_and_of_the_rise_of_an_ordinary_row(bank):
    rng = np.random.default_rng(5)
    rows, typical, ordinary = (cells(rng.normal(size=(6, 5))) for _ in range(3))
    found, alone = contributions(interacting, rows, typical, ordinary)
    np.testing.assert_array_equal(alone, falls(interacting, rows, typical))
    for i in range(6):
        for column in range(5):
            without, only = (each.matrices["rank"][i].copy() for each in (rows, ordinary))
            without[column], only[column] = typical.matrices["rank"][i, column], rows.matrices["rank"][i, column]
            scores = [interacting(cells(x[None]))[0] for x in (rows.matrices["rank"][i], without, only,
                                                               ordinary.matrices["rank"][i])]
            assert found[i, column] == pytest.approx((scores[0] - scores[1] + scores[2] - scores[3]) / 2, abs=1e-5)


def test_two_columns_each_of_which_would_do_both_contribute():
    rows, usual = cells([[9, 9, 0, 0]]), cells(np.zeros((1, 4)))
    found, alone = contributions(lambda each: each.matrices["rank"].max(axis=1), rows, usual, usual)
    assert not alone.any()
    np.testing.assert_array_equal(found, [[4.5, 4.5, 0, 0]])


@pytest.mark.parametrize("spared", [0, 1, 3])
def test_ordinary_rows_equal_the_loops(bank, spared, monkeypatch):
    monkeypatch.setattr(explain, "SPARED_COLUMNS", spared)
    monkeypatch.setattr(explain, "CELLS", 300 * 5 * 7)
    column_of = np.array([0, 1, 1, 2, 3])
    rows = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32).astype(float)
    there = bank.astype(np.float32).astype(float)
    found = ordinary_rows(cells(rows, column_of), cells(bank, column_of))
    for i, row in enumerate(rows):
        squares = np.square(row - there)
        by_column = np.stack([squares[:, column_of == column].sum(axis=1) for column in range(4)], axis=1)
        assert found[i] == np.sort(by_column, axis=1)[:, :4 - min(spared, 2)].sum(axis=1).argmin()


def test_a_few_strange_columns_do_not_decide_which_row_is_ordinary(bank):
    rows = bank[:20].copy()
    rows[:, [1, 3]] = 50.0
    np.testing.assert_array_equal(ordinary_rows(cells(rows), cells(bank)), np.arange(20))


def test_wide_rows_try_the_columns_that_differ_most():
    alone = falls(total, cells(np.arange(100.0)[None]), cells(np.zeros((1, 100))))
    assert set(np.flatnonzero(alone[0])) == set(range(100 - explain.MOST_COLUMNS, 100))


def test_a_column_beside_those_compared_is_replaced_too():
    def both(value):
        return Cells({"rank": np.zeros((1, 2)), "beside": np.array([[value]])},
                     {"rank": np.arange(2), "beside": np.array([2])}, "rank")

    alone = falls(lambda rows: rows.matrices["beside"][:, 0], both(7.0), both(0.0))
    np.testing.assert_array_equal(alone, [[0, 0, 7]])


def test_pairs_take_both_values_from_the_medoid_of_rows_otherwise_alike(bank):
    rows = cells(np.random.default_rng(1).normal(size=(4, 5)) * 3)
    there = bank.astype(np.float32).astype(float)

    def score(each):
        return np.square(each.matrices["rank"].astype(float)).sum(axis=1)

    alone = falls(score, rows, cells(np.zeros((4, 5))))
    pairs, found = pair_contributions(score, rows, cells(bank), alone)
    for i, row in enumerate(rows.matrices["rank"].astype(float)):
        assert {frozenset(pair) for pair in pairs[i].tolist()} == set(map(frozenset, combinations(range(5), 2)))
        for pair, fall in zip(pairs[i], found[i], strict=True):
            others = np.setdiff1d(range(5), pair)
            alike = np.argsort(np.square(row[others] - there[:, others]).sum(axis=1))[:explain.ALIKE_ROWS]
            own = there[alike][:, pair]
            medoid = own[int(np.argmin([np.square(own - each).sum() for each in own]))]
            assert fall == pytest.approx(np.square(row[pair]).sum() - np.square(medoid).sum(), rel=1e-5)


def oracle(score, rows, others, limit):
    """The size of the smallest set of columns of one row whose change brings it under the limit, or None."""
    n = rows.n_columns
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            mask = np.isin(range(n), subset)[None]
            if score(rows.replaced(others, mask))[0] < limit:
                return size
    return None


def interacting(rows):
    """A score in which columns help and hinder each other."""
    x = rows.matrices["rank"].astype(float)
    return np.abs(x).max(axis=1) + np.abs(x[:, 0] - x[:, 1]) + 0.3 * np.abs(x[:, 2] * x[:, 3])


def test_changes_reach_the_limit_with_as_few_columns_as_all_subsets_need():
    rng = np.random.default_rng(2)
    rows, others = cells(rng.normal(size=(60, 5)) * 3), cells(rng.normal(size=(60, 5)) * 0.5)
    limit = np.full(60, 3.0)
    found = fewest_changes(interacting, rows, others, limit, np.ones(5, bool))
    best = [oracle(interacting, rows.take([i]), others.take([i]), 3.0) for i in range(60)]
    assert {None, 1, 2, 3} <= {*best, None}
    sizes = found.changed.sum(axis=1)
    for i, fewest in enumerate(best):
        assert found.reached[i] == (fewest is not None)
        if found.reached[i]:
            assert sizes[i] >= fewest
    reached = found.reached
    assert np.mean(sizes[reached] == [each for each in best if each is not None]) > 0.9


def test_no_column_of_the_changes_can_be_left_out_and_their_score_is_true():
    rng = np.random.default_rng(3)
    rows, others = cells(rng.normal(size=(80, 6)) * 3), cells(rng.normal(size=(80, 6)) * 0.5)
    limit = np.full(80, 3.0)
    found = fewest_changes(interacting, rows, others, limit, np.ones(6, bool))
    np.testing.assert_array_equal(interacting(rows.replaced(others, found.changed)), found.score)
    for i in np.flatnonzero(found.reached & found.changed.any(axis=1)):
        chosen = np.flatnonzero(found.changed[i])
        fewer = np.repeat(found.changed[i][None], len(chosen), axis=0)
        fewer[np.arange(len(chosen)), chosen] = False
        assert (scores_of_changes(interacting, rows, others, np.full(len(chosen), i), fewer) >= limit[i]).all()


def test_rows_under_the_limit_and_columns_that_may_not_change_stay():
    rows, others = cells([[9.0, 0.0], [0.5, 0.0], [9.0, 9.0]]), cells(np.zeros((3, 2)))
    found = fewest_changes(total, rows, others, np.full(3, 2.0), np.array([True, False]))
    np.testing.assert_array_equal(found.changed, [[True, False], [False, False], [True, False]])
    np.testing.assert_array_equal(found.reached, [True, True, False])


def test_changes_of_a_row_do_not_depend_on_the_others():
    rng = np.random.default_rng(4)
    rows, others = cells(rng.normal(size=(20, 5)) * 3), cells(rng.normal(size=(20, 5)) * 0.5)
    together = fewest_changes(interacting, rows, others, np.full(20, 3.0), np.ones(5, bool))
    alone = [fewest_changes(interacting, rows.take([i]), others.take([i]), np.full(1, 3.0), np.ones(5, bool))
             for i in range(20)]
    np.testing.assert_array_equal(together.changed, np.concatenate([each.changed for each in alone]))
