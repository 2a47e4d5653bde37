import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.features.vector import VectorEncoder


def vectors(matrix, type_=None):
    return pa.array([None if row is None else list(row) for row in matrix], type_ or pa.list_(pa.float64(), 3))


def fitted(matrix):
    return VectorEncoder(3).fit(vectors(matrix))


def test_geometry_is_kept_up_to_one_scalar_and_random_rows_are_two_apart():
    x = np.random.default_rng(0).normal([5, -2, 0], [1, 10, 0.1], (300, 3))
    outputs = fitted(x).transform(vectors(x)).spaces["rank"][:, :3]
    np.testing.assert_allclose(outputs, (x - x.mean(0)) / np.sqrt(x.var(axis=0).sum()), atol=1e-5)
    assert np.square(outputs[:, None] - outputs[None]).sum(-1).mean() == pytest.approx(2, abs=0.01)


def test_tail_is_the_distance_from_the_mean():
    x = np.random.default_rng(1).normal(size=(50, 3))
    block = fitted(x).transform(vectors(x))
    np.testing.assert_allclose(block.tail, np.linalg.norm(block.spaces["rank"][:, :3], axis=1), rtol=1e-5)


def test_a_missing_vector_is_the_mean_and_a_flag_and_strange_only_if_unexpected():
    x = list(np.random.default_rng(2).normal(size=(50, 3)))
    for encoder, expected in ((fitted([*x, None]), True), (fitted(x), False)):
        block, normal = encoder.transform(vectors([None, x[0]])), encoder.transform(vectors(x)).tail
        assert (block.spaces["robust"][0, :3] == 0).all()
        assert block.spaces["robust"][0, 3] > 1
        assert block.spaces["robust"][1, 3] == 0
        assert (block.tail[0] <= normal.max()) is np.bool_(expected)


def test_a_missing_element_is_the_mean_of_its_place():
    x = np.random.default_rng(3).normal(size=(50, 3))
    block = fitted(x).transform(vectors([[None, 1, np.nan]]))
    assert (block.spaces["rank"][0, [0, 2]] == 0).all()


@pytest.mark.parametrize(
    "fit_rows", [[[1e308, -1e308, 5e-324]] * 2, [[0, 0, 0]], [[1, 2, 3]] * 3, [None], [[1, 2, 3], None]]
)
def test_odd_fit_rows_and_extreme_elements_stay_finite(fit_rows):
    encoder = fitted(fit_rows)
    block = encoder.transform(vectors([[1e308, -1e308, np.inf], [0, 0, 0], None, *fit_rows]))
    assert np.isfinite(block.spaces["rank"]).all()
    assert np.isfinite(block.tail).all()


def test_slices_and_lists_without_a_fixed_size_are_read():
    x = [[1, 2, 3], None, [4, 5, 6], [7, 8, 9]]
    encoder = fitted(x)
    expected = encoder.transform(vectors(x)).spaces["rank"]
    sliced = encoder.transform(vectors(x)[1:]).spaces["rank"]
    free = encoder.transform(vectors(x, pa.list_(pa.float32()))).spaces["rank"]
    np.testing.assert_array_equal(sliced, expected[1:])
    np.testing.assert_array_equal(free, expected)


def test_a_vector_of_another_size_is_refused():
    with pytest.raises(InputError, match="must have 3 elements"):
        fitted([[1, 2, 3]]).transform(vectors([[1, 2]], pa.list_(pa.float64())))
