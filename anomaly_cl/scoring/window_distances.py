"""How far normal windows are from each other, where neighbouring windows overlap and so are no news of each other."""

from __future__ import annotations

import numpy as np

from anomaly_cl.scoring.neighbours import CELLS


def nearest_apart(rows: np.ndarray, places: np.ndarray, apart: int) -> np.ndarray:
    """Distance (n,) of each row (n, d) to the nearest other whose place (n,) differs by `apart` or more; else inf.

    An overlapping window is nearly the same one (the exclusion zone of the matrix profile, Yeh et al. 2016), and a new
    window has none among those known: so far from others would a normal window be, if it were new.
    """
    x = rows.astype(np.float64)
    x -= np.median(x, axis=0)  # small numbers round less
    return _nearest(x, places, x, places, apart)


def nearest_beside(
    rows: np.ndarray, places: np.ndarray, bank: np.ndarray, bank_places: np.ndarray, apart: int
) -> np.ndarray:
    """The same for each row (n, d) beside a bank (m, d), at least one row, whose places are (m,)."""
    known = bank.astype(np.float64)
    centre = np.median(known, axis=0)
    known -= centre
    return _nearest(rows.astype(np.float64) - centre, places, known, bank_places, apart)


def _nearest(
    x: np.ndarray, places: np.ndarray, bank: np.ndarray, bank_places: np.ndarray, apart: int
) -> np.ndarray:
    squares = np.square(bank).sum(axis=1)
    nearest = np.empty(len(x))
    step = max(1, CELLS // max(len(bank), 1))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        squared = np.square(x[part]).sum(axis=1)[:, None] + squares - 2 * (x[part] @ bank.T)
        squared[np.abs(places[part, None] - bank_places) < apart] = np.inf
        which = squared.argmin(axis=1)
        exact = np.square(x[part] - bank[which]).sum(axis=1)  # the quick product is off where two are nearly equal
        nearest[part] = np.sqrt(np.where(np.isfinite(squared[np.arange(len(which)), which]), exact, np.inf))
    return nearest


def all_apart(places: np.ndarray, apart: int) -> bool:
    """Whether each place (n,) has another that differs by `apart` or more."""
    return bool(len(places)) and bool(
        ((places - places.min() >= apart) | (places.max() - places >= apart)).all())
