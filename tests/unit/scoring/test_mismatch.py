import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.mismatch import BANK_ROWS, MismatchHead

RNG = np.random.default_rng(0)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * 2


def slow(row, bank):
    """Minus the mean of both directions' log share, term by term."""
    d = len(row) // 2
    a, b = row[:d], row[d:]
    forth = np.log(np.mean([np.exp(a @ other[d:]) for other in bank]))
    back = np.log(np.mean([np.exp(other[:d] @ b) for other in bank]))
    return (forth + back) / 2 - a @ b


def test_the_distance_is_minus_the_mutual_information_term_by_term():
    bank, rows = RNG.normal(size=(40, 6)), RNG.normal(size=(15, 6))
    assert_allclose(MismatchHead().fit(bank).distances(rows), [slow(row, bank) for row in rows])


def test_a_large_bank_is_thinned_evenly():
    rows = RNG.normal(size=(3 * BANK_ROWS, 4))
    assert_array_equal(MismatchHead().fit(rows).bank_, rows[::3])


def test_parts_that_do_not_belong_together_are_strange_though_each_is_usual():
    parts = unit(RNG.normal(size=(300, 8)))
    rows, swapped = np.hstack([parts, parts]), np.hstack([parts, np.roll(parts, 7, axis=0)])
    head = MismatchHead().fit(rows[:200])
    assert np.median(head.distances(swapped)) > np.quantile(head.distances(rows[200:]), 0.95)


@pytest.mark.parametrize("size", [1, 7])
def test_a_row_does_not_see_the_others(size):
    bank, rows = RNG.normal(size=(700, 20)).astype(np.float32), RNG.normal(size=(50, 20)).astype(np.float32)
    head = MismatchHead().fit(bank)
    parts = [head.distances(rows[i:i + size]) for i in range(0, 50, size)]
    assert_array_equal(np.concatenate(parts), head.distances(rows))


def test_a_state_gives_the_same_distances():
    bank, rows = RNG.normal(size=(60, 4)), RNG.normal(size=(10, 4))
    head = MismatchHead().fit(bank)
    twin = MismatchHead.from_state(head.to_state())
    assert_array_equal(twin.distances(rows), head.distances(rows))


def test_one_row_is_bank_enough_and_halves_of_two_widths_are_refused():
    head = MismatchHead().fit(np.ones((1, 2)))
    assert head.distances(np.ones((1, 2))) == 0
    assert head.distances(np.empty((0, 2))).shape == (0,)
    with pytest.raises(InputError, match="halves"):
        MismatchHead().fit(np.ones((3, 5)))
