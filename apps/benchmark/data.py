"""Data sets of a folder, and which of their rows train and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anomaly_cl.errors import InputError, UsageError

TRAIN_ROWS, TEST_ROWS = 4_000, 6_000
FEWEST_ANOMALIES, ADDED_ANOMALIES = 5, 50
UNCLEAN_STREAM = 1  # keeps the draws of the unclean split apart from those of the clean one


class Split(NamedTuple):
    """Row numbers of a data set: train (n,), test (m,), and how many of the training rows are anomalies."""

    train: np.ndarray
    test: np.ndarray
    anomalies_in_training: int = 0


def set_number(name: str) -> int:
    """The number before the name, by which data sets are ordered and halved: 10 of "10_cover"."""
    number = name.split("_")[0]
    if not number.isdecimal():
        raise InputError("the name of a data set begins with its number", f"found {name!r}",
                         "name the file <number>_<name>.npz")
    return int(number)


def find_sets(folder: Path, only: Sequence[str] | None = None) -> list[Path]:
    """The .npz files of a folder in order of their numbers; `only` takes those of these names."""
    found = {path.stem: path for path in sorted(folder.glob("*.npz"), key=lambda path: (set_number(path.stem), path))}
    if not found:
        raise InputError("the folder of data sets holds .npz files", f"{folder} has none", "correct the path")
    if unknown := sorted(set(only or ()) - set(found)):
        raise UsageError(f"data sets are among {list(found)}", f"found {unknown}", "correct the names")
    return [path for name, path in found.items() if not only or name in only]


def read_set(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, features) float64 and y (rows,) int, 1 = anomaly; NaN is 0, infinity the largest float."""
    with np.load(path) as data:
        if lacking := sorted({"X", "y"} - set(data)):
            raise InputError("a data set holds X and y", f"{path} lacks {lacking}", "choose another file")
        X, y = np.nan_to_num(data["X"].astype(np.float64)), data["y"].astype(int).ravel()
    if X.ndim != 2 or len(X) != len(y) or not set(np.unique(y)) <= {0, 1}:
        raise InputError("X is (rows, features) and y (rows,) of 0 and 1", f"{path}: {X.shape}, {y.shape}",
                         "choose another file")
    return X, y


def one_class_split(y: np.ndarray, seed: int, train_rows: int = TRAIN_ROWS, test_rows: int = TEST_ROWS) -> Split:
    """Normal rows to train, other normal rows and all anomalies to test; no row is in both, none occurs twice.

    The seed shuffles the normal rows. The first half trains, at most `train_rows` of them; the second half and the
    anomalies test. More than `test_rows` of these are sampled down to that; if fewer than 5 anomalies are left by it,
    the first 50 of the data set are added again.
    """
    rng = np.random.RandomState(seed)
    normal = rng.permutation(np.flatnonzero(y == 0))
    anomalies = np.flatnonzero(y == 1)
    half = round(len(normal) / 2)
    test = np.concatenate([normal[half:], anomalies])
    if len(test) > test_rows:
        test = rng.choice(test, test_rows, replace=False)
    if y[test].sum() < FEWEST_ANOMALIES <= len(anomalies):
        test = np.union1d(test, anomalies[:ADDED_ANOMALIES])
    return Split(normal[:half][:train_rows], test)


def unclean_split(y: np.ndarray, seed: int, share: float) -> Split:
    """The one-class split with this share of anomalies among the training rows.

    The seed sets half of all anomalies aside; only they may train, only the others are tested. So all shares, 0
    too, are measured on one test and differ by the training rows alone. A small set may have fewer anomalies than the
    share asks for.
    """
    if not 0 <= share < 1:
        raise UsageError("a share of anomalies is at least 0 and below 1", f"it is {share}", "choose 0.05 say")
    clean, aside = one_class_split(y, seed), set_aside(y, seed)
    left_in = aside[:round(share / (1 - share) * len(clean.train))]
    test = clean.test[~np.isin(clean.test, aside)]
    return Split(np.concatenate([clean.train, left_in]), test, len(left_in))


def set_aside(y: np.ndarray, seed: int) -> np.ndarray:
    """Half of all anomalies, in an order that the seed draws: they may train and are never tested."""
    anomalies = np.random.default_rng([UNCLEAN_STREAM, seed]).permutation(np.flatnonzero(y == 1))
    return anomalies[:len(anomalies) // 2]
