"""Sub-PCA: how far a window is from the mean in the directions in which windows hardly differ."""

from __future__ import annotations

from typing import Self

import numpy as np

from anomaly_cl.features.windows import step_means
from apps.benchmark.series.peers.windows import Units, cut, window_length

POINTS = {True: None, False: 16}  # of a window in each channel, if there is one, and if there are several
LEAST_SHARE = 1e-6  # of the largest variance: below it a direction is rounding


class SubPCA:
    """Sum over principal components of windows of the squared projection over the variance; steps as in KMeansAD.

    Shyu, Chen, Sarinnapakorn and Chang, "A Novel Anomaly Detection Scheme Based on Principal Component Classifier",
    ICDM Foundations Workshop 2003, equation 3 with all components; Aggarwal, "Outlier Analysis", 2nd edition, section
    3.3.3, on windows.
    """

    def fit(self, train: np.ndarray) -> Self:
        self.units_ = Units.of(train)
        self.length_ = window_length(train, len(train))
        windows = self._windows(train)[1]
        self.mean_ = windows.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(windows, rowvar=False))
        kept = variances > LEAST_SHARE * max(variances[-1], np.finfo(float).tiny)
        self.directions_ = directions[:, kept] / np.sqrt(variances[kept])
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        starts, windows = self._windows(series)
        distance = np.square((windows - self.mean_) @ self.directions_).sum(axis=1)
        return step_means(distance, starts, self.length_, len(series))

    def _windows(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts, windows = cut(self.units_.apply(series), self.length_, points=POINTS[series.shape[1] == 1])
        return starts, windows.reshape(len(starts), -1)
