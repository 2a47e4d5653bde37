"""PyOD's detectors of series, with the rank-2 period as their window where they have one."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

import numpy as np
from pyod.models.knn import KNN
from pyod.models.ts_od import TimeSeriesOD

from apps.benchmark.series.peers.windows import window_length


class WindowedKNN:
    """TimeSeriesOD on KNN: mean distance of a window to its 5 nearest; a step has the mean of those that cover it."""

    def fit(self, train: np.ndarray) -> Self:
        length = window_length(train, len(train))
        self.detector_ = TimeSeriesOD(KNN(method="mean"), window_size=length, score_aggregation="mean").fit(train)
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        return self.detector_.decision_function(series)


class WholeKNN(WindowedKNN):
    """The same fitted on the series that it scores, in which no window counts as its own neighbour."""

    def fit(self, train: np.ndarray) -> Self:
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        return super().fit(series).detector_.decision_scores_


class OfPyOD:
    """A detector `module.Class` of pyod.models; `windowed` if it has a window_size."""

    def __init__(self, path: str, settings: dict[str, Any], windowed: bool = True):
        self.path = path
        self.settings = settings
        self.windowed = windowed

    def fit(self, train: np.ndarray) -> Self:
        self.detector_ = self._made(train).fit(train)
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        return self.detector_.decision_function(series)

    def _made(self, series: np.ndarray) -> Any:
        module, name = self.path.rsplit(".", 1)
        window = {"window_size": window_length(series, len(series))} if self.windowed else {}
        return getattr(import_module(f"pyod.models.{module}"), name)(**window, **self.settings)


class Transductive(OfPyOD):
    """One that scores no series but the one it is fitted on; infinite scores are put at the largest finite one."""

    def fit(self, train: np.ndarray) -> Self:
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        scores = self._made(series).fit(series).decision_scores_
        finite = scores[np.isfinite(scores)]
        return np.where(np.isposinf(scores), finite.max() if len(finite) else np.nan, scores)
