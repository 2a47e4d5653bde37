from __future__ import annotations

import numpy as np
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.neighbours import FEW_COLUMNS, ExactNeighbours

COLUMNS = FEW_COLUMNS + 12
BANK = 2_000


def slow_nearest(bank: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (rows,) and first bank positions (rows,), the columns added one after the other."""
    squared = np.zeros((len(X), len(bank)))
    for column in range(bank.shape[1]):
        squared += np.square(bank[:, column].astype(float) - X[:, column, None].astype(float))
    which = squared.argmin(axis=1)
    return np.sqrt(squared[np.arange(len(X)), which]), which


def banks(rng: np.random.Generator) -> dict[str, np.ndarray]:
    usual = rng.normal(size=(BANK, COLUMNS))
    return {
        "usual": usual, "single precision": usual.astype(np.float32), "far from zero": usual + 1e7,
        "close together": 1 + 1e-9 * usual, "on a lattice": rng.integers(0, 3, (BANK, COLUMNS)).astype(float),
        "some huge": usual * np.where(rng.random((BANK, 1)) < 0.01, 1e25, 1), "all huge": usual * 1e120,
        "all small": usual * 1e-160,
    }


@pytest.mark.parametrize("name", list(banks(np.random.default_rng(0))))
@pytest.mark.parametrize("only_nearest", [False, True])
def test_the_nearest_row_is_that_of_the_double_loop_to_the_last_bit(name: str, only_nearest: bool) -> None:
    rng = np.random.default_rng(0)
    bank = banks(rng)[name]
    near = bank[rng.integers(0, BANK, 700)]
    X = np.concatenate([near, near * (1 + 1e-6 * rng.normal(size=near.shape)), near[rng.permutation(700)] * 0.5,
                        1e6 * near[:10]])
    index = ExactNeighbours(bank, only_nearest=only_nearest)
    distances, which = index.query(X, 1)
    true, first = slow_nearest(bank, X)
    np.testing.assert_array_equal(distances[:, 0], true)
    np.testing.assert_array_equal(bank[which[:, 0]], bank[first])  # equal rows are kept once
    np.testing.assert_array_equal(index.query(X[3:9], 1)[0], distances[3:9])


def test_the_nearest_of_several_is_the_nearest_of_one() -> None:
    rng = np.random.default_rng(1)
    bank, X = rng.normal(size=(BANK, COLUMNS)), rng.normal(size=(900, COLUMNS))
    index = ExactNeighbours(bank)
    (one, at), (several, places) = index.query(X, 1), index.query(X, 4)
    np.testing.assert_array_equal(one[:, 0], several[:, 0])
    np.testing.assert_array_equal(at[:, 0], places[:, 0])


def test_an_index_for_the_nearest_row_only_knows_no_others() -> None:
    bank = np.random.default_rng(0).normal(size=(BANK, COLUMNS))
    with pytest.raises(UsageError, match="the nearest row only"):
        ExactNeighbours(bank, only_nearest=True).query(np.tile(bank, (2, 1)), 2)
