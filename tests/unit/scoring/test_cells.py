import numpy as np
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.cells import Cells


def cells_of(values, n_cells, seed=0):
    values = np.asarray(values, float)
    return Cells.between(values, np.random.default_rng(seed).random(values.shape), n_cells)


def test_a_row_is_placed_by_counting_the_edges_below_it():
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.normal(size=200), rng.integers(0, 3, 200), np.full(200, np.inf)])
    cells = cells_of(values, 10)
    new = np.column_stack([rng.normal(size=50), rng.integers(-1, 4, 50), rng.choice([0, np.inf], 50)])
    ties = rng.random(new.shape)
    expected = [[sum((edge, edge_tie) < (new[i, j], ties[i, j])
                     for edge, edge_tie in zip(cells.edges[j], cells.edge_ties[j], strict=True)) for j in range(3)]
                for i in range(50)]
    placed = cells.place(new, ties)
    np.testing.assert_array_equal(placed, expected)
    for j, counts in enumerate(cells.count(placed)):
        np.testing.assert_array_equal(counts, np.bincount(placed[:, j], minlength=10))


@pytest.mark.parametrize(("n_rows", "n_cells"), [(9, 10), (10, 10), (99, 10), (137, 10), (5_000, 100)])
def test_gaps_are_those_between_reference_values_and_differ_by_one_at_most(n_rows, n_cells):
    values = np.random.default_rng(2).normal(size=(n_rows, 1))
    cells = cells_of(values, n_cells)
    assert cells.gaps.sum() == n_rows + 1
    assert cells.gaps.max() - cells.gaps.min() <= 1
    inside = cells.count(cells.place(values, np.zeros_like(values)))[0]  # an edge's own value lies below the edge
    np.testing.assert_array_equal(inside, cells.gaps - np.append(np.zeros(n_cells - 1, int), 1))


@pytest.mark.parametrize("draw", [lambda rng, n: rng.normal(size=n), lambda rng, n: rng.integers(0, 2, n)],
                         ids=["continuous", "two values"])
def test_a_new_row_falls_into_each_cell_as_often_as_its_gaps_say(draw):
    rng = np.random.default_rng(3)
    counts = np.zeros(4)
    for _ in range(4_000):
        cells = Cells.between(draw(rng, 10)[:, None].astype(float), rng.random((10, 1)), 4)
        counts += cells.count(cells.place(draw(rng, 1)[:, None].astype(float), rng.random((1, 1))))[0]
    expected = 4_000 * cells.gaps / 11
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


def test_state_restores_the_cells():
    cells = cells_of(np.random.default_rng(4).normal(size=(50, 2)), 5)
    again = Cells.from_state(cells.to_state())
    for name, value in vars(cells).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match="9 rows"):
        cells_of(np.zeros((5, 1)), 10)


def test_other_columns_than_those_of_the_reference_are_refused():
    cells = cells_of(np.random.default_rng(5).normal(size=(200, 3)), 10)
    for values, ties in ((np.zeros((4, 2)), np.zeros((4, 2))), (np.zeros((4, 3)), np.zeros((3, 3)))):
        with pytest.raises(InputError, match="3 columns are placed"):
            cells.place(values, ties)
