"""Where alerts lie among normal rows, in a plane of what the model measures in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.scoring.plane import Plane

NORMAL_ROWS = 2_000
DIGITS = 5  # significant ones: more say nothing on a screen


class AlertMap:
    """A plane learned from at most `NORMAL_ROWS` rows of the model's bank, evenly spread over it.

    It follows from the model alone, so that all its runs share it.
    """

    def __init__(self, detector: TabularDetector | EventDetector, plane: Plane):
        self.detector, self.plane = detector, plane
        step = -(-detector.reference_.num_rows // NORMAL_ROWS)
        chosen = np.arange(0, detector.reference_.num_rows, step)
        plane.fit(self._measured(detector.reference_.take(pa.array(chosen))))

    def places(self, rows: pa.Table) -> list[list[float]]:
        """[x, y] of each of these rows, which conform to the detector's schema."""
        return _rounded(self.plane.transform(self._measured(rows))) if rows.num_rows else []

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the store: runs with the same `frame` share a plane."""
        return {"method": self.plane.name, "explained": self.plane.explained_,
                "normal": _rounded(self.plane.normal_), "frame": f"{self.detector.model_id_} {self.plane.name}"}

    def _measured(self, rows: pa.Table) -> np.ndarray:
        scorer = self.detector.scorer_
        return scorer.measured_in(scorer.encoder_.transform(rows))


def _rounded(places: np.ndarray) -> list[list[float]]:
    return [[float(f"{value:.{DIGITS}g}") for value in place] for place in places.tolist()]
