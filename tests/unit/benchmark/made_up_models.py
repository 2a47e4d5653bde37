"""Models that behave in ways a benchmark must survive; in a module of their own, for worker processes import them."""

from __future__ import annotations

import os
import time
from typing import Self

import numpy as np


class Centre:
    """Distance to the mean of the training rows."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: np.ndarray) -> Self:
        self.mean_ = X.mean(axis=0)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.linalg.norm(X - self.mean_, axis=1)


class Failing(Centre):
    def fit(self, X: np.ndarray) -> Self:
        raise ValueError("cannot learn | this")


class NotFinite(Centre):
    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), np.nan)


def double_or_worse(task: int | str) -> int | str:
    if task == "die":
        os._exit(3)
    if task == "sleep":
        time.sleep(600)
    if task == "threads":
        return os.environ["OMP_NUM_THREADS"]
    return 2 * task  # type: ignore[return-value]
