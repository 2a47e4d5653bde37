import copy
import json
import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring import distances, neighbours
from anomaly_cl.scoring.distances import KNNHead, TailHead


def _double_loop(bank, X, k):
    """Distances and positions of the k nearest rows of the bank; ties go to the earliest row."""
    bank, X = bank.astype(float).tolist(), X.astype(float).tolist()
    found = [sorted((sum((a - b) ** 2 for a, b in zip(x, y, strict=True)), j) for j, y in enumerate(bank)) for x in X]
    distances = [[math.sqrt(squared) for squared, _ in row[:k]] for row in found]
    return distances, [[j for _, j in row[:k]] for row in found]


def _gaussian(rng, n, columns):
    return (rng.normal(size=(n, columns)) @ rng.normal(size=(columns, columns)) + 100).astype(np.float32)


def _grid(rng, n, columns):
    return rng.integers(0, 3, size=(n, columns)).astype(np.float64)


def _copies(rng, n, columns):
    return rng.normal(size=(9, columns))[rng.integers(0, 9, size=n)].round(1)


@pytest.mark.parametrize("columns", [1, 2, 8, 30])
@pytest.mark.parametrize("draw", [_gaussian, _copies])
def test_neighbours_equal_the_double_loop(draw, columns):
    rng = np.random.default_rng(columns)
    bank, X = draw(rng, 120, columns), draw(rng, 40, columns)
    distances, indices = KNNHead().fit(bank).neighbours(X, 7)
    expected, where = _double_loop(bank, X, 7)
    assert_array_equal(distances, expected)  # summed in the same order, so equal to the last bit
    if draw is _gaussian:
        assert_array_equal(indices, where)
    else:  # equal rows of the bank stand together
        assert_allclose(np.linalg.norm(bank[indices] - X[:, None], axis=2), distances)
        assert all(len(set(row)) == 7 for row in indices.tolist())


@pytest.mark.parametrize("columns", [2, 12])
def test_equal_distances_take_the_earliest_distinct_rows(columns):
    rng = np.random.default_rng(0)
    bank = np.unique(_grid(rng, 400, columns), axis=0)
    rng.shuffle(bank)
    X = _grid(rng, 50, columns)
    _, indices = KNNHead().fit(bank).neighbours(X, 5)
    assert_array_equal(indices, _double_loop(bank, X, 5)[1])


@pytest.mark.parametrize("columns", [2, 8, 30, 200])
@pytest.mark.parametrize("draw", [_gaussian, _grid, _copies])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_row_has_the_same_distance_in_any_chunk(draw, columns, scaled, monkeypatch):
    monkeypatch.setattr(neighbours, "CELLS", 100_000)  # so that large chunks are proposed, and small ones measured
    rng = np.random.default_rng(columns)
    X = draw(rng, 1200, columns)
    head = KNNHead(k=5, local_power=0.5 * scaled).fit(draw(rng, 700, columns))
    whole = head.distances(X)
    for size in (7, 1000):
        parts = [head.distances(X[start:start + size]) for start in range(0, len(X), size)]
        assert_array_equal(np.concatenate(parts), whole)
    alone = np.concatenate([head.distances(X[i:i + 1]) for i in range(0, len(X), 10)])
    assert_array_equal(alone, whole[::10])
    assert_array_equal(head.distances(X[::-1])[::-1], whole)
    assert_array_equal(head.distances(np.asfortranarray(X)), whole)


@pytest.mark.parametrize("columns", [2, 8, 12, 30])
@pytest.mark.parametrize("draw", [_gaussian, _grid])
def test_proposed_candidates_and_full_measurement_agree(draw, columns, monkeypatch):
    rng = np.random.default_rng(columns)
    head = KNNHead().fit(draw(rng, 500, columns))
    X = draw(rng, 300, columns)
    measured = head.neighbours(X, 5)
    monkeypatch.setattr(neighbours, "CELLS", 20_000)  # too small to measure all pairs at once
    for spare in (8, 0):  # without a spare candidate nothing is proved, and all is measured after all
        monkeypatch.setattr(neighbours, "SPARE", spare)
        proposed = head.neighbours(X, 5)
        assert_array_equal(proposed[0], measured[0])
        assert_array_equal(proposed[1], measured[1])


def test_one_huge_value_in_the_bank_spoils_nothing():
    rng = np.random.default_rng(0)
    bank, X = rng.normal(size=(300, 10)), rng.normal(size=(50, 10))
    bank[17, 3] = 1e300
    assert_allclose(KNNHead().fit(bank).distances(X), KNNHead().fit(np.delete(bank, 17, 0)).distances(X))


def test_huge_rows_have_a_finite_distance():
    head = KNNHead(local_power=0.5).fit(np.zeros((10, 2)))
    assert np.isfinite(head.distances([[1e308, -1e308], [1e-320, 0]])).all()


def test_distances_lie_far_from_zero_without_loss():
    bank = np.array([[1e8, 0.0], [1e8 + 1, 0], [1e8 + 3, 0]])
    assert_array_equal(KNNHead(k=1).fit(bank).distances(bank + np.array([0.25, 0])), [0.25, 0.25, 0.25])


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_bank_of_few_rows_lowers_k(n, scaled):
    bank = np.arange(n, dtype=float)[:, None] * np.ones((1, 8))
    head = KNNHead(k=5, local_power=0.5 * scaled).fit(bank)
    distances, indices = head.neighbours(bank, 5)
    assert distances.shape == indices.shape == (n, n)
    assert np.isfinite(head.distances(bank + 1)).all()
    assert head.distances(np.empty((0, 8))).shape == (0,)


def test_mean_and_max_aggregate_the_k_distances():
    bank = np.array([[0.0], [1.0], [3.0], [10.0]])
    assert KNNHead(k=3, aggregate="mean").fit(bank).distances([[0.0]]) == [(0 + 1 + 3) / 3]
    assert KNNHead(k=3, aggregate="max").fit(bank).distances([[0.0]]) == [3]


def test_local_scaling_equals_the_double_loop():
    rng = np.random.default_rng(1)
    bank, X = rng.normal(size=(60, 3)) * rng.exponential(size=(60, 1)), rng.normal(size=(20, 3))
    head = KNNHead(k=4, local_power=0.5).fit(bank)
    own = []
    for i, row in enumerate(bank):
        others = np.delete(bank, i, 0)
        own.append(np.mean(_double_loop(others, row[None], 4)[0]))
    scales = np.sqrt(np.maximum(own, 0.3 * np.median(own)))
    distances, where = _double_loop(bank, X, 4)
    assert_allclose(head.distances(X), np.mean(distances, 1) / scales[np.array(where)].mean(1))


@pytest.mark.parametrize("n_rows", [6, 80])
@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_leaving_a_row_out_equals_a_bank_without_it(n_rows, aggregate, power, monkeypatch):
    monkeypatch.setattr(distances, "SMALLEST_SHARE", 0)  # a bank without the row has another median
    bank = np.random.default_rng(2).normal(size=(n_rows, 2))
    head = KNNHead(4, aggregate, power)
    without = [head.fit(np.delete(bank, i, 0)).distances(bank[i:i + 1])[0] for i in range(n_rows)]
    assert_allclose(head.fit(bank).leave_one_out(), without, rtol=1e-12)


def test_local_scaling_makes_a_sparse_region_less_strange():
    rng = np.random.default_rng(2)
    dense, sparse = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) * 10 + 1000
    plain, scaled = (KNNHead(local_power=0.5 * on).fit(np.vstack([dense, sparse])) for on in (False, True))
    new_dense, new_sparse = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) * 10 + 1000

    def ratio(head):
        return np.median(head.distances(new_sparse)) / np.median(head.distances(new_dense))

    assert ratio(plain) > 5
    assert 1 < ratio(scaled) < ratio(plain) / 2


@pytest.mark.parametrize("scaled", [False, True])
def test_a_knn_head_returns_from_its_state(scaled):
    rng = np.random.default_rng(3)
    head = KNNHead(k=3, aggregate="max", local_power=0.5 * scaled).fit(rng.normal(size=(50, 8)).astype(np.float32))
    X = rng.normal(size=(20, 8))
    state = head.to_state()
    json.dumps({name: value for name, value in state.items() if not isinstance(value, np.ndarray)})
    for other in (KNNHead.from_state(state), copy.deepcopy(head), pickle.loads(pickle.dumps(head))):
        assert_array_equal(other.distances(X), head.distances(X))


def test_the_bank_does_not_follow_the_callers_array():
    X = np.random.default_rng(0).normal(size=(20, 3))
    kept = X.copy()
    head = KNNHead().fit(X)
    before = head.distances(kept)
    assert_array_equal(X, kept)
    X[:] = 0
    assert_array_equal(head.distances(kept), before)


@pytest.mark.parametrize("head", [KNNHead(), KNNHead(local_power=0.5), TailHead()])
@pytest.mark.parametrize("bad", [[[np.nan, 0.0]], [[np.inf, 0.0]], [[1.0]], [1.0, 2.0], [["a", "b"]]])
def test_a_head_refuses_what_is_not_finite_or_of_another_shape(head, bad):
    with pytest.raises(InputError):
        head.fit([[0.0, 1.0], [1.0, 0.0]]).distances(bad)
    if np.shape(bad) != (1, 1):
        with pytest.raises(InputError):
            head.fit(bad)


def test_a_head_refuses_settings_that_cannot_be_meant():
    for head in (KNNHead(k=0), KNNHead(aggregate="median"), TailHead("mean")):
        with pytest.raises(UsageError):
            head.fit([[0.0], [1.0]])
    with pytest.raises(InputError):
        TailHead().fit([[0.0]], two_sided=[True, False])
    with pytest.raises(InputError):
        KNNHead().fit(np.empty((0, 3)))


def _tail_probability(sample, x):
    """Share of a sample at or beyond x, ties by half, on the rarer side, twice."""
    upper = (np.sum(sample > x) + 0.5 * np.sum(sample == x) + 0.5) / (len(sample) + 1)
    lower = (np.sum(sample < x) + 0.5 * np.sum(sample == x) + 0.5) / (len(sample) + 1)
    return upper, min(1, 2 * min(upper, lower))


def test_tail_surprises_equal_the_empirical_tails_inside():
    rng = np.random.default_rng(0)
    T = rng.normal(size=(300, 2))
    T = T[np.argsort(T[:, 0])]
    surprises = TailHead().fit(T, two_sided=[True, False]).per_column(T)
    # the highest and lowest tenth follow the fitted tail, so look at the bulk
    for j, two_sided in enumerate([True, False]):
        bulk = np.flatnonzero((T[:, j] > np.quantile(T[:, j], 0.12)) & (T[:, j] < np.quantile(T[:, j], 0.88)))
        expected = [_tail_probability(T[:, j], T[i, j])[two_sided] for i in bulk]
        assert_allclose(surprises[bulk, j], -np.log(expected), atol=1e-9)


@pytest.mark.parametrize("aggregate", ["sum", "max"])
def test_further_out_is_stranger_without_end(aggregate):
    rng = np.random.default_rng(0)
    head = TailHead(aggregate).fit(np.column_stack([rng.normal(size=400), rng.exponential(size=400)]), [True, False])
    steps = np.array([2.0, 3, 4, 5, 8, 50, 1e3, 1e6, 1e12, 1e100])
    up = np.column_stack([steps, np.ones(len(steps))])
    assert (np.diff(head.distances(up)) > 0).all()
    assert (np.diff(head.distances(up * [-1, 1])) > 0).all()
    one_sided = np.column_stack([np.zeros(len(steps)), -steps])
    assert head.distances(one_sided).max() <= head.distances([[0.0, 0.0]])[0]


def test_a_constant_column_surprises_only_when_it_changes():
    head = TailHead("sum").fit(np.column_stack([np.full(1000, 7.0), np.random.default_rng(0).normal(size=1000)]))
    same, changed = head.per_column([[7.0, 0.0], [7.001, 0.0]])[:, 0]
    assert same == 0
    assert changed > np.log(1000) - np.log(2)


def test_tail_distances_do_not_depend_on_the_chunk_and_return_from_state():
    rng = np.random.default_rng(0)
    T, X = rng.normal(size=(500, 40)), rng.normal(size=(64, 40)) * 3
    T[:, 3] = T[:, 3].round()
    for aggregate in ("sum", "max"):
        head = TailHead(aggregate).fit(T, np.arange(40) % 3 > 0)
        whole = head.distances(X)
        assert_array_equal(np.concatenate([head.distances(X[i:i + 1]) for i in range(64)]), whole)
        for other in (TailHead.from_state(head.to_state()), pickle.loads(pickle.dumps(head))):
            assert_array_equal(other.distances(X), whole)
    assert all(isinstance(value, np.ndarray | str) for value in head.to_state().values())
