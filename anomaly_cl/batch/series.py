"""Files of series: their rows as steps that are scored one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.rows import Records, TableRows, with_kept
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.series_table import SeriesSchema
from anomaly_cl.features.series_grid import GridReport
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.conform import PRIVATE, Rejected, raw_text
from anomaly_cl.table.read import OnReject


@dataclass(frozen=True)
class StepRows(TableRows):
    """Steps of series as rows, and what became of all rows, those of the history too, on their regular grids."""

    report: GridReport

    def grid_facts(self) -> dict[str, Any]:
        """The report as plain data, without the rejected rows: those are in a file."""
        named = ("rows", "steps", "resampled", "duplicates", "gaps", "cuts", "missing_cells", "infinite_cells")
        return {name: getattr(self.report, name) for name in named}


def series_file_schema(series: SeriesSchema) -> Schema:
    """The schema of files of series: a row without a time, or without the entity where there are some, is rejected."""
    return Schema(tuple(replace(column, missing="reject") if column.role in (Role.TIME, Role.ENTITY) else column
                        for column in series.base.columns))


def step_rows_of(
    detector: SeriesDetector, records: Records, batch_rows: int, on_reject: OnReject | None = None
) -> StepRows:
    """The steps of records after those of their history; rows of whose step nothing can be said are rejected."""
    read = [column.name for column in detector.series_schema_.base.required]
    steps = detector.steps(records.rows.select(read), records.history)
    if steps.rejected and on_reject:
        on_reject(_rejected(records, detector.series_schema_, steps.rejected))
    rows = with_kept(steps.rows, read, records.rows.take(pa.array(steps.row_numbers, pa.int64())))
    return StepRows(rows, records.row_numbers[steps.row_numbers], batch_rows, steps.report)


def _rejected(records: Records, series: SeriesSchema, rejected: Sequence[tuple[int, str]]) -> list[Rejected]:
    """Rejected rows by their numbers in the input; their time tells which they are."""
    private = series.base[series.time].private
    times = records.rows.column(series.time).take(pa.array(np.array([row for row, _ in rejected], np.int64)))
    return [Rejected(int(records.row_numbers[row]), series.time, rule, PRIVATE if private else raw_text(at.as_py()))
            for (row, rule), at in zip(rejected, times, strict=True)]
