"""Detectors that learn from the series they score, with its anomalies, as they were published."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np


class SeriesModel(Protocol):
    """Learns from a normal series (steps, channels) and scores the steps (steps,) of another, higher = stranger."""

    def fit(self, train: np.ndarray) -> Any: ...

    def decision_function(self, series: np.ndarray) -> np.ndarray: ...


class OnWhole:
    """A detector fitted on all of the series that it scores; of the normal prefix it never hears."""

    def __init__(self, detector: SeriesModel):
        self.detector = detector

    def fit(self, train: np.ndarray) -> Self:
        return self

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        self.detector.fit(series)
        return self.detector.decision_function(series)
