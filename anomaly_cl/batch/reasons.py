"""The reasons of alerts, told for a thousand of them at once and kept as Arrow data: there may be millions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.alerts import Candidates
from anomaly_cl.batch.pipeline import overlapping
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import REASONS

CHUNK = 1_000


class AlertReasons:
    """Reasons of alerts, by the numbers of their rows: `row_numbers` int64 (alerts,), and as many `reasons`."""

    def __init__(self, row_numbers: np.ndarray, reasons: pa.ChunkedArray):
        order = np.argsort(row_numbers)
        self.row_numbers, self.reasons = row_numbers[order], reasons.take(pa.array(order))

    def __len__(self) -> int:
        return len(self.row_numbers)

    def __getitem__(self, row_number: int) -> list[dict[str, Any]]:
        """The reasons of an alert; KeyError if this row is none."""
        place = int(np.searchsorted(self.row_numbers, row_number))
        if place == len(self) or self.row_numbers[place] != row_number:
            raise KeyError(row_number)
        return self.reasons[place].as_py()

    def of_rows(self, row_numbers: np.ndarray) -> tuple[pa.Array, pa.ChunkedArray]:
        """Whether each of the rows (rows,) is an alert, and its reasons, null where it is none."""
        places = np.searchsorted(self.row_numbers, row_numbers)
        alerts = np.append(self.row_numbers, -1)[places] == row_numbers
        return pa.array(alerts), self.reasons.take(pa.array(places, mask=~alerts))


def told_reasons(detector: Detector, alerts: Candidates) -> AlertReasons:
    """The reasons of alerts."""
    def parts() -> Iterator[pa.Table]:
        for start in range(0, alerts.rows.num_rows, CHUNK):
            yield alerts.rows.slice(start, CHUNK)

    told = [pa.array(reasons, REASONS) for _, reasons in overlapping(parts(), detector.reasons)]
    return AlertReasons(alerts.row_numbers, pa.chunked_array(told, REASONS))
