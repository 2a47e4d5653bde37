"""What the overview of a run draws, counted while its rows stream by."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.scored import Scores

RISK_EDGES = np.linspace(0, 100, 51)
SCORE_BINS = 60
P_LEVELS = np.geomspace(1e-6, 1, 61)


class RunSummary:
    """Histograms of score and risk, rows a day, and how many rows lie at or under each of a grid of p-values."""

    def __init__(self, calibration_scores: np.ndarray, time_column: str | None):
        self.time_column = time_column
        # twice the range of calibration scores leaves room for what is stranger than every normal row
        self.lowest = min(0.0, float(calibration_scores.min()))
        widest = 2 * max(float(calibration_scores.max()) - self.lowest, 1e-6)
        self.score_edges = self.lowest + np.linspace(0, widest, SCORE_BINS + 1)
        self.calibration_counts = self._score_counts(calibration_scores)
        self.score_counts = np.zeros(SCORE_BINS, int)
        self.risk_counts = np.zeros(len(RISK_EDGES) - 1, int)
        self.at_level = np.zeros(len(P_LEVELS), int)
        self.rows = 0
        self.days: Counter[str] = Counter()
        self.alert_days: Counter[str] = Counter()

    def add(self, rows: pa.RecordBatch, scores: Scores) -> None:
        """Count scored rows."""
        self.rows += rows.num_rows
        self.score_counts += self._score_counts(scores.score)
        self.risk_counts += np.histogram(scores.risk, RISK_EDGES)[0]
        self.at_level += np.searchsorted(np.sort(scores.p_value), P_LEVELS, side="right")
        self.days += self._per_day(rows)

    def add_alerts(self, rows: pa.Table) -> None:
        """Count alerts."""
        self.alert_days += self._per_day(rows)

    def _score_counts(self, scores: np.ndarray) -> np.ndarray:
        return np.histogram(np.clip(scores, self.lowest, self.score_edges[-1]), self.score_edges)[0]

    def _per_day(self, rows: pa.RecordBatch | pa.Table) -> Counter[str]:
        if self.time_column is None:
            return Counter()
        days = pc.strftime(pc.drop_null(rows.column(self.time_column)), "%Y-%m-%d")
        return Counter({str(item["values"]): item["counts"] for item in days.value_counts().to_pylist()})

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the alert store."""
        return {
            "score_histogram": {"edges": self.score_edges.tolist(), "counts": self.score_counts.tolist(),
                                "calibration": self.calibration_counts.tolist()},
            "risk_histogram": {"edges": RISK_EDGES.tolist(), "counts": self.risk_counts.tolist()},
            "alerts_at": [[float(p), int(n)] for p, n in zip(P_LEVELS, self.at_level, strict=True)],
            "days": [[day, self.days[day], self.alert_days[day]] for day in sorted(self.days)],
        }
