"""The bar: how far a window is from the nearest one of the normal prefix, when both are less their means."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.neighbors import NearestNeighbors

from anomaly_cl.features.windows import step_means
from apps.benchmark.series.peers.windows import Units, cut, window_length

POINTS = 64  # of a window in each channel; longer ones are resampled
STRIDES = 32  # a window begins every 32nd part of its length


class CentredNeighbour:
    """1-NN distance of windows of all channels together; a step has the mean of the windows that cover it."""

    def fit(self, train: np.ndarray) -> Self:
        self.units_ = Units.of(train)
        values = self.units_.apply(train)
        self.length_ = window_length(values, len(values))
        self.nearest_ = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(self._windows(values)[1])
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        starts, windows = self._windows(self.units_.apply(series))
        distance = self.nearest_.kneighbors(windows)[0][:, 0]
        return step_means(distance, starts, self.length_, len(series))

    def _windows(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts, windows = cut(values, self.length_, max(1, self.length_ // STRIDES), POINTS)
        centred = windows - windows.mean(axis=2, keepdims=True)
        return starts, centred.reshape(len(starts), -1).astype(np.float32)
