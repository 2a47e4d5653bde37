"""The door of scoring: arrays of finite numbers of the right shape come in, anything else is refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError

LARGEST = 1e150
"""Values beyond this count as this, so that their squares stay finite."""


def finite_matrix(X: ArrayLike, *, columns: int | None = None, fewest: int = 0) -> np.ndarray:
    """X as a float32 or float64 array (rows, columns); raises InputError for another shape or a non-finite value."""
    X = _floats(X)
    if X.ndim != 2 or X.shape[1] == 0 or (columns is not None and X.shape[1] != columns):
        raise InputError(f"rows to score form a matrix (rows, {columns or 'columns'})", f"the shape is {X.shape}",
                         "give the same columns as in fit")
    return _finite(X, fewest)


def finite_vector(values: ArrayLike, *, fewest: int = 0) -> np.ndarray:
    """One number a row, as float64 (rows,); raises InputError for another shape or a non-finite value."""
    values = _floats(values).astype(np.float64, copy=False)
    if values.ndim != 1:
        raise InputError("one number a row is expected", f"the shape is {values.shape}", "give a one-dimensional array")
    return _finite(values, fewest)


def _floats(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError("scoring reads numbers", f"the array holds {array.dtype}", "encode the values first")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _finite(array: np.ndarray, fewest: int) -> np.ndarray:
    if len(array) < fewest:
        raise InputError(f"at least {fewest} row is needed", f"there are {len(array)}", "give more rows")
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError("scoring needs finite numbers", f"{int((~finite).sum())} values are NaN or infinite",
                         "fill or reject them before scoring")
    if array.dtype == np.float64 and array.size and max(array.max(), -array.min()) > LARGEST:
        return np.clip(array, -LARGEST, LARGEST)
    return array
