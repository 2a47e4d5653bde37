"""The matrix profile: how far a window is from the most similar one of the normal prefix, both brought to one scale."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np

from anomaly_cl.features.windows import step_means
from apps.benchmark.series.peers.windows import window_length


class PrefixProfile:
    """stumpy's AB-join of each channel with the prefix, the mean over channels; steps as in KMeansAD.

    Yeh et al., "Matrix Profile I", ICDM 2016; Law, "STUMPY", JOSS 2019.
    """

    def fit(self, train: np.ndarray) -> Self:
        self.train_ = np.array(train)
        self.length_ = window_length(train, len(train))
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        import stumpy  # optional, and compiles for seconds

        with warnings.catch_warnings():  # the series begins with the prefix, so that many distances are 0
            warnings.filterwarnings("ignore", "A large number of values in `P`")
            profiles = [stumpy.stump(channel, self.length_, normal, ignore_trivial=False)[:, 0].astype(np.float64)
                        for channel, normal in zip(series.T.copy(), self.train_.T.copy(), strict=True)]
        profile = np.mean(profiles, axis=0)
        return step_means(profile, np.arange(len(profile)), self.length_, len(series))
