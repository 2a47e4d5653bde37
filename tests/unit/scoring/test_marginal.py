import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.marginal import MarginalHead

RNG = np.random.default_rng(0)
COLUMN_OF = np.array([0, 1, 1, 2])
WEIGHTS = np.array([1.0, 0.5, 0.0])


def slow(row, normal, column_of, weights):
    """Cube root of the weighted mean of cubed surprises, one output at a time."""
    middle = [float(np.median(column)) for column in normal.T]
    total = 0.0
    for column, weight in enumerate(weights):
        outputs = [j for j in range(len(column_of)) if column_of[j] == column]
        apart = [sum((other[j] - middle[j]) ** 2 for j in outputs) ** 0.5 for other in [*normal, row]]
        total += weight * float(Surprise().fit(apart[:-1])(apart[-1:])[0]) ** 3
    return (total / sum(weights)) ** (1 / 3)


@given(arrays(float, (9, 4), elements=st.integers(-4, 4).map(float)), arrays(float, (5, 4), elements=st.floats(-9, 9)))
@settings(max_examples=40, deadline=None)
def test_distances_equal_the_slow_loop(normal, rows):
    head = MarginalHead(COLUMN_OF, WEIGHTS).fit(normal)
    assert_allclose(head.distances(rows), [slow(row, normal, COLUMN_OF, WEIGHTS) for row in rows], atol=1e-9)


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_see_the_others(size, dtype):
    normal, rows = RNG.normal(size=(700, 4)).astype(dtype), RNG.normal(size=(53, 4)).astype(dtype) * 3
    head = MarginalHead(COLUMN_OF, WEIGHTS).fit(normal)
    parts = [head.distances(rows[i:i + size]) for i in range(0, 53, size)]
    assert_array_equal(np.concatenate(parts), head.distances(rows))


def test_a_state_gives_the_same_distances():
    normal, rows = RNG.normal(size=(300, 4)), RNG.normal(size=(20, 4)) * 3
    head = MarginalHead(COLUMN_OF, WEIGHTS).fit(normal)
    twin = MarginalHead.from_state(head.to_state())
    assert_array_equal(twin.distances(rows), head.distances(rows))
    assert_array_equal(twin.per_column(rows), head.per_column(rows))


def test_a_column_without_weight_does_not_count_and_weights_are_relative():
    normal, rows = RNG.normal(size=(300, 4)), RNG.normal(size=(20, 4)) * 3
    changed = rows.copy()
    changed[:, 3] += 1_000
    head = MarginalHead(COLUMN_OF, WEIGHTS).fit(normal)
    assert_array_equal(head.distances(changed), head.distances(rows))
    assert_allclose(MarginalHead(COLUMN_OF, 10 * WEIGHTS).fit(normal).distances(rows), head.distances(rows))


def test_both_ends_are_strange_and_further_out_is_stranger():
    head = MarginalHead([0], [1.0]).fit(RNG.normal(size=(1_000, 1)))
    found = head.distances(np.array([[0.0], [2.0], [-4.0], [8.0], [-1e6]]))
    assert (np.diff(found) > 0).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0] * 4, [0.0] * 3, [1.0, -0.1, 1.0], [1.0, np.nan, 1.0],
                                     [np.inf, 1.0, 1.0], []])
def test_weights_that_cannot_be_meant_are_refused(weights):
    with pytest.raises(UsageError, match="weight of 0 or more"):
        MarginalHead(COLUMN_OF, weights).fit(RNG.normal(size=(10, 4)))


def test_rows_of_another_width_or_not_finite_are_refused():
    head = MarginalHead(COLUMN_OF, WEIGHTS).fit(RNG.normal(size=(10, 4)))
    for rows in (np.zeros((2, 3)), np.full((2, 4), np.nan)):
        with pytest.raises(InputError):
            head.distances(rows)
    assert head.distances(np.empty((0, 4))).shape == (0,)
