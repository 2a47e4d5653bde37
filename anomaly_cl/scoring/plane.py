"""A plane that rows of many numbers are drawn in, learned from normal rows only."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.arrays import finite_matrix

PCA_PLANE, UMAP_PLANE = "pca", "umap"
NEIGHBOURS = 15  # of UMAP; fewer where there are fewer rows
SEED = 0  # so that the same model draws the same map


class Plane(Protocol):
    """Where rows lie in two dimensions; a row's place depends on the normal rows and itself, on no other row.

    Fitted attributes: `normal_` (n, 2), the places of the normal rows, and `explained_`, the share of their variance
    that each direction has, None where that means nothing.
    """

    name: ClassVar[str]
    normal_: np.ndarray
    explained_: Any

    def fit(self, normal: ArrayLike) -> Self:
        """Learn from normal rows (n, d)."""
        ...

    def transform(self, rows: ArrayLike) -> np.ndarray:
        """Places (rows, 2) float64 of rows (rows, d)."""
        ...


class PrincipalPlane:
    """The two directions in which the normal rows vary most (Hotelling 1933); `explained_` is each one's share of it.

    >>> PrincipalPlane().fit([[0, 0, 0], [4, 0, 0], [0, 2, 0], [4, 2, 0]]).explained_
    [0.8, 0.2]
    """

    name: ClassVar[str] = "PCA"

    def fit(self, normal: ArrayLike) -> Self:
        X = finite_matrix(normal, fewest=1).astype(np.float64)
        self.width_ = X.shape[1]
        self._pca = None
        self.explained_ = [0.0, 0.0]
        if np.ptp(X, axis=0).any():
            self._pca = PCA(min(2, *X.shape), svd_solver="full").fit(X)
            self.explained_ = [*map(float, self._pca.explained_variance_ratio_), 0.0][:2]
        self.normal_ = self.transform(X)
        return self

    def transform(self, rows: ArrayLike) -> np.ndarray:
        X = finite_matrix(rows, columns=self.width_).astype(np.float64)
        places = np.zeros((len(X), 2))
        if self._pca is not None and len(X):
            found = self._pca.transform(X)
            places[:, :found.shape[1]] = found
        return places


class NeighbourPlane:
    """A plane that keeps neighbours together, by UMAP (McInnes et al. 2018); it explains no share of the variance."""

    name: ClassVar[str] = "UMAP"
    explained_ = None

    def fit(self, normal: ArrayLike) -> Self:
        X = finite_matrix(normal, fewest=4)
        self.width_ = X.shape[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a seed that leaves it one thread
            self._umap = _umap().UMAP(n_neighbors=min(NEIGHBOURS, len(X) - 1), random_state=SEED, n_jobs=1,
                                      init="random" if len(X) < 20 else "spectral").fit(X)
        self.normal_ = np.asarray(self._umap.embedding_, np.float64)
        return self

    def transform(self, rows: ArrayLike) -> np.ndarray:
        X = finite_matrix(rows, columns=self.width_)
        # UMAP places rows together, by one stream of random numbers; about 5 ms a row
        places = [self._umap.transform(row[None])[0] for row in X]
        return np.array(places, np.float64).reshape(-1, 2)


PLANES: dict[str, type[PrincipalPlane] | type[NeighbourPlane]] = {PCA_PLANE: PrincipalPlane,
                                                                  UMAP_PLANE: NeighbourPlane}


def plane_of(name: str) -> Plane:
    """The plane of this name; UsageError for another one, or where what it needs is not installed."""
    if name not in PLANES:
        raise UsageError(f"a map is drawn by one of {list(PLANES)}", f"it is {name!r}", "choose one of them")
    if name == UMAP_PLANE:
        _umap()
    return PLANES[name]()


def _umap() -> Any:
    try:
        import umap  # slow to import, and an extra
    except ModuleNotFoundError as error:
        raise UsageError("a map by UMAP needs umap-learn", "it is not installed",
                         'install it with pip install "anomaly_cl[umap]", or draw the map by pca') from error
    return umap
