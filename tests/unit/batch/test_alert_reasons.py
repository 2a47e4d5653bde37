from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.batch.alerts import Candidates
from anomaly_cl.batch.reasons import CHUNK, told_reasons
from anomaly_cl.detectors.scored import Scores


class Telling:
    """Says of each row what it is, and remembers how many it was asked of at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def reasons(self, rows: pa.Table) -> list[list[dict[str, Any]]]:
        self.asked.append(rows.num_rows)
        return [[{"column": "x", "contribution": 0.5, "value": str(x), "typical": None}] * (x % 3)
                for x in rows.column("x").to_pylist()]


def alerts_at(row_numbers: np.ndarray) -> Candidates:
    none = np.zeros(len(row_numbers))
    return Candidates(row_numbers, pa.table({"x": row_numbers}), Scores(none, none, none, none))


def test_reasons_are_told_in_parts_and_found_by_row() -> None:
    numbers = np.random.default_rng(0).permutation(9_000)[: 2 * CHUNK + 7]
    detector = Telling()
    found = told_reasons(detector, alerts_at(numbers))  # type: ignore[arg-type]
    assert sorted(detector.asked) == [7, CHUNK, CHUNK]
    assert len(found) == len(numbers)
    expected = {int(number): [{"column": "x", "contribution": 0.5, "value": str(number), "typical": None}]
                * (int(number) % 3) for number in numbers}
    assert all(found[number] == reasons for number, reasons in expected.items())
    rows = np.arange(8_990, 9_010)
    alerts, told = found.of_rows(rows)
    assert alerts.to_pylist() == [int(row) in expected for row in rows]
    assert told.to_pylist() == [expected.get(int(row)) for row in rows]
    with pytest.raises(KeyError):
        found[9_001]


def test_no_alerts_have_no_reasons() -> None:
    found = told_reasons(Telling(), alerts_at(np.zeros(0, np.int64)))  # type: ignore[arg-type]
    alerts, told = found.of_rows(np.arange(3))
    assert (len(found), alerts.to_pylist(), told.to_pylist()) == (0, [False] * 3, [None] * 3)
