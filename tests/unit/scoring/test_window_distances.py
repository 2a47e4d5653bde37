import numpy as np
import pytest
from numpy.testing import assert_allclose

from anomaly_cl.scoring import window_distances
from anomaly_cl.scoring.window_distances import all_apart, nearest_apart, nearest_beside


def slow(rows, places, apart):
    return [min((np.linalg.norm(a.astype(float) - b) for b, q in zip(rows, places, strict=True) if abs(p - q) >= apart),
                default=np.inf) for a, p in zip(rows, places, strict=True)]


@pytest.mark.parametrize("apart", [1, 5, 30, 60, 200])
@pytest.mark.parametrize("level", [0.0, 1e5])
def test_distances_to_the_nearest_apart_equal_the_double_loop(apart, level):
    rng = np.random.default_rng(0)
    rows, places = (level + rng.normal(size=(90, 6))).astype(np.float32), np.arange(90) * 2
    assert_allclose(nearest_apart(rows, places, apart), slow(rows, places, apart), rtol=1e-9)


@pytest.mark.parametrize("apart", [1, 5, 30, 200])
@pytest.mark.parametrize("level", [0.0, 1e5])
def test_distances_beside_a_bank_equal_the_double_loop(apart, level):
    rng = np.random.default_rng(0)
    rows, bank = ((level + rng.normal(size=(n, 6))).astype(np.float32) for n in (50, 30))
    places, known = np.arange(50) * 2, np.arange(30) * 3
    expected = [min((np.linalg.norm(a.astype(float) - b) for b, q in zip(bank, known, strict=True)
                     if abs(p - q) >= apart), default=np.inf) for a, p in zip(rows, places, strict=True)]
    assert_allclose(nearest_beside(rows, places, bank, known, apart), expected, rtol=1e-9)


def test_beside_itself_a_bank_is_as_apart():
    rows, places = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40)
    assert_allclose(nearest_beside(rows, places, rows, places, 4), nearest_apart(rows, places, 4), rtol=1e-12)


def test_chunks_change_nothing(monkeypatch):
    rows, places = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40)
    whole = nearest_apart(rows, places, 4)
    monkeypatch.setattr(window_distances, "CELLS", 100)
    assert_allclose(nearest_apart(rows, places, 4), whole, rtol=1e-12)


def test_equal_windows_are_at_distance_0_exactly():
    rows = np.tile(np.random.default_rng(2).normal(size=(5, 8)), (4, 1)) + 1e6
    assert (nearest_apart(rows, np.arange(20), 5) == 0).all()


def test_the_rows_are_left_as_they_were():
    rows = np.random.default_rng(3).normal(size=(9, 2))
    before = rows.copy()
    nearest_apart(rows, np.arange(9), 2)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(("places", "apart", "expected"), [
    ([], 1, False), ([3], 1, False), ([0, 5], 5, True), ([0, 4], 5, False), ([0, 3, 6], 4, False), ([0, 3, 6], 3, True),
    ([0, 4, 8, 12], 8, True)])
def test_all_apart_says_whether_each_has_one_apart(places, apart, expected):
    places = np.array(places, int)
    assert all_apart(places, apart) is expected
    assert expected == (len(places) > 0 and all((np.abs(places - place) >= apart).any() for place in places))
