import doctest
import sys

import numpy as np
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring import plane as planes
from anomaly_cl.scoring.plane import NeighbourPlane, PrincipalPlane, plane_of


@pytest.fixture
def normal():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 3


def test_the_principal_plane_is_that_of_a_singular_value_decomposition(normal):
    found = PrincipalPlane().fit(normal)
    rows = normal[:7] * 1.5
    centre = normal.mean(axis=0)
    _, sizes, directions = np.linalg.svd(normal - centre, full_matrices=False)
    expected = (rows - centre) @ directions[:2].T
    signs = np.sign((found.transform(rows) * expected).sum(axis=0))
    np.testing.assert_allclose(found.transform(rows), expected * signs, atol=1e-9)
    np.testing.assert_allclose(found.explained_, (sizes**2 / (sizes**2).sum())[:2])


def test_a_place_depends_on_no_other_row(normal):
    found = PrincipalPlane().fit(normal)
    rows = np.concatenate([normal[:3], normal[3:] * 1e6])
    np.testing.assert_allclose(found.transform(rows)[:3], found.transform(rows[:3]))
    np.testing.assert_allclose(found.normal_, found.transform(normal))


@pytest.mark.parametrize("rows", [np.ones((1, 3)), np.ones((5, 2)), np.arange(6.0)[:, None]],
                         ids=["one row", "equal rows", "one column"])
def test_normal_rows_that_span_no_plane_have_places_too(rows):
    found = PrincipalPlane().fit(rows)
    assert found.transform(rows + 1).shape == (len(rows), 2)
    assert np.isfinite(found.normal_).all()
    assert len(found.explained_) == 2
    assert np.isfinite(found.explained_).all()


def test_no_rows_have_no_places(normal):
    assert PrincipalPlane().fit(normal).transform(np.zeros((0, 5))).shape == (0, 2)


def test_a_plane_of_another_name_is_refused():
    with pytest.raises(UsageError, match="pca"):
        plane_of("tsne")


def test_umap_is_asked_for_only_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match="umap"):
        plane_of("umap")


@pytest.mark.filterwarnings("ignore")
def test_a_place_by_umap_depends_on_no_other_row(normal):
    pytest.importorskip("umap", reason="umap-learn, an extra, is not installed")
    found = NeighbourPlane().fit(normal)
    rows = normal[:4] + 0.1
    np.testing.assert_allclose(found.transform(rows)[1:], found.transform(rows[1:]))
    assert found.normal_.shape == (60, 2)


def test_the_example_holds():
    assert not doctest.testmod(planes).failed
