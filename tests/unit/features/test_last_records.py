import doctest

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features import last_records
from anomaly_cl.features.last_records import LastRecords


def records_of(n, seed=0):
    """Few entities and few instants, so that ties are frequent; a tenth of the rows is about nobody."""
    rng = np.random.default_rng(seed)
    entities = np.where(rng.random(n) < 0.1, -1, rng.integers(0, 7, n))
    return entities, rng.integers(0, n // 3, n) * 1_000_000, rng.permutation(n)


def slow(entities, instants, ties, row, k):
    if entities[row] < 0:
        return [-1] * k
    earlier = [other for other in range(len(entities)) if entities[other] == entities[row]
               and (instants[other], ties[other]) < (instants[row], ties[row])]
    earlier.sort(key=lambda other: (instants[other], ties[other]), reverse=True)
    return (earlier + [-1] * k)[:k]


@pytest.mark.parametrize("k", [1, 4, 60])
def test_the_last_records_equal_the_double_loop(k):
    records = records_of(120)
    found = LastRecords(*records).before_rows(k)
    assert found.dtype == np.int64
    assert_array_equal(found, [slow(*records, row, k) for row in range(120)])
    some = np.array([5, 3, 119, 3])
    assert_array_equal(LastRecords(*records).before_rows(k, some), found[some])


def test_records_before_an_instant_equal_the_double_loop():
    entities, instants, ties = records_of(150)
    rng = np.random.default_rng(1)
    whom, when = rng.integers(-1, 9, 80), rng.choice(instants, 80) + rng.integers(-1, 2, 80)
    expected = []
    for entity, instant in zip(whom, when, strict=True):
        earlier = [row for row in range(150) if entities[row] == entity >= 0 and instants[row] < instant]
        earlier.sort(key=lambda row: (instants[row], ties[row]), reverse=True)
        expected.append((earlier + [-1] * 4)[:4])
    assert_array_equal(LastRecords(entities, instants, ties).before_instants(whom, when, 4), expected)


def test_later_records_never_matter():
    entities, instants, ties = records_of(200)
    order = np.lexsort((ties, instants))
    kept = np.sort(order[:120])
    whole = LastRecords(entities, instants, ties).before_rows(5)[kept]
    without = LastRecords(entities[kept], instants[kept], ties[kept]).before_rows(5)
    assert_array_equal(np.where(without < 0, -1, kept[without]), whole)


def test_the_order_of_the_rows_never_matters():
    entities, instants, ties = records_of(200)
    shuffled = np.random.default_rng(2).permutation(200)
    found = LastRecords(entities[shuffled], instants[shuffled], ties[shuffled]).before_rows(5)
    expected = LastRecords(entities, instants, ties).before_rows(5)[shuffled]
    assert_array_equal(np.where(found < 0, -1, shuffled[found]), expected)


def test_no_rows_have_no_past():
    nothing = np.empty(0, np.int64)
    last = LastRecords(nothing, nothing, nothing)
    assert last.before_rows(3).shape == (0, 3)
    assert_array_equal(last.before_instants(np.array([0]), np.array([5]), 2), [[-1, -1]])


def test_unequal_lengths_codes_below_minus_one_and_no_k_are_refused():
    three, two = np.zeros(3, np.int64), np.zeros(2, np.int64)
    with pytest.raises(InputError, match="one number a row"):
        LastRecords(three, two, three)
    with pytest.raises(InputError, match="-1 for none"):
        LastRecords(three - 2, three, three)
    with pytest.raises(UsageError, match="raise k"):
        LastRecords(three, three, three).before_rows(0)


def test_the_example_holds():
    assert doctest.testmod(last_records).failed == 0
