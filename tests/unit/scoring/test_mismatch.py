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


def test_rows_of_the_bank_are_compared_with_the_others():
    bank = RNG.normal(size=(30, 4))
    expected = [slow(row, np.delete(bank, i, axis=0)) for i, row in enumerate(bank)]
    assert_allclose(MismatchHead().fit(bank).leave_one_out(bank), expected)


def test_a_large_bank_is_thinned_evenly_and_its_other_rows_meet_all_that_is_left():
    rows = RNG.normal(size=(3 * BANK_ROWS, 4))
    head = MismatchHead().fit(rows)
    assert_array_equal(head.bank_, rows[::3])
    alone, own = head.distances(rows), head.leave_one_out(rows)
    kept = np.arange(len(rows)) % 3 == 0
    assert_array_equal(alone[~kept], own[~kept])
    assert (alone[kept] != own[kept]).all()


def test_parts_that_do_not_belong_together_are_strange_though_each_is_usual():
    parts = unit(RNG.normal(size=(300, 8)))
    bank = np.hstack([parts, parts])
    swapped = np.hstack([parts, np.roll(parts, 7, axis=0)])
    head = MismatchHead().fit(bank)
    assert np.median(head.distances(swapped)) > np.quantile(head.leave_one_out(bank), 0.95)


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
    assert_array_equal(twin.leave_one_out(bank), head.leave_one_out(bank))


def test_one_row_is_bank_enough_and_halves_of_two_widths_are_refused():
    head = MismatchHead().fit(np.ones((1, 2)))
    assert np.isfinite(head.leave_one_out(np.ones((1, 2)))).all()
    assert head.distances(np.empty((0, 2))).shape == (0,)
    with pytest.raises(InputError, match="halves"):
        MismatchHead().fit(np.ones((3, 5)))
    with pytest.raises(InputError, match="rows of fit"):
        head.leave_one_out(np.ones((2, 2)))
