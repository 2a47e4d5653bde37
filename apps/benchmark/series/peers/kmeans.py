"""KMeansAD: how far a window is from the nearest of a few typical ones."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.cluster import KMeans

from anomaly_cl.features.windows import step_means
from apps.benchmark.series.peers.windows import Units, cut, window_length

STEPS_OF_SEVERAL = 40  # TSB-AD's window of series of several channels; that of one channel is the rank-2 period


class KMeansAD:
    """Distance of windows of all channels together to the nearest centre; a step has the mean of those that cover it.

    Yairi, Kato and Hori, "Fault Detection by Mining Association Rules from House-keeping Data", i-SAIRAS 2001, in the
    form of TimeEval (Schmidl, Wenig and Papenbrock, VLDB 2022), with TSB-AD's tuned settings (NeurIPS 2024).
    """

    def __init__(self, seed: int = 0, n_clusters: int = 10):
        self.seed = seed
        self.n_clusters = n_clusters

    def fit(self, train: np.ndarray) -> Self:
        self.units_ = Units.of(train)
        one = train.shape[1] == 1
        self.length_ = window_length(train, len(train)) if one else min(STEPS_OF_SEVERAL, len(train))
        self.clusters_ = KMeans(self.n_clusters, random_state=self.seed).fit(self._windows(train)[1])
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        starts, windows = self._windows(series)
        return step_means(self.clusters_.transform(windows).min(axis=1), starts, self.length_, len(series))

    def _windows(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts, windows = cut(self.units_.apply(series), self.length_)
        return starts, windows.reshape(len(starts), -1)
