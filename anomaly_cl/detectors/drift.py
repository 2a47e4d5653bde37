"""Drift of tables: scored rows of a stream against the calibration rows, column by column and by their scores."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from anomaly_cl.features.table_encoder import column_numbers
from anomaly_cl.schema import Column, Role, Schema
from anomaly_cl.scoring.drift import DriftMonitor, DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict


class DriftWatch(Protocol):
    """Sees rows as they are scored, in bounded memory, and says whether they drift."""

    @property
    def rows(self) -> int:
        """How many it saw."""
        ...

    def add(self, rows: pa.Table | pa.RecordBatch, scores: np.ndarray) -> None:
        """See rows that `score_table` takes, and their scores (rows,)."""
        ...

    def verdict(self, level: float = LEVEL) -> DriftVerdict:
        """What the rows so far say."""
        ...


def compared_columns(schema: Schema) -> list[Column]:
    """The columns learned from, but for the time: a file is of its day, and its rows come in order of time."""
    return [column for column in schema.learned if column.role is not Role.TIME]


def drift_reference(
    rows: pa.Table, scores: np.ndarray, schema: Schema, rng: np.random.Generator
) -> DriftReference:
    """What later rows are compared with: calibration rows that conform to the schema, and their scores (rows,)."""
    columns = compared_columns(schema)
    return DriftReference().fit(scores, column_numbers(rows, columns), tuple(column.name for column in columns), rng)


class TableDrift:
    """Watches rows as they are scored, in bounded memory; see `DriftMonitor`."""

    def __init__(self, reference: DriftReference, schema: Schema):
        self._monitor, self._columns = DriftMonitor(reference), compared_columns(schema)

    @property
    def rows(self) -> int:
        return self._monitor.rows

    def add(self, rows: pa.Table | pa.RecordBatch, scores: np.ndarray) -> None:
        """Count rows that conform to the schema, and their scores (rows,)."""
        self._monitor.add(scores, column_numbers(rows, self._columns))

    def verdict(self, level: float = LEVEL) -> DriftVerdict:
        """What the rows so far say; at most a share `level` of streams without drift ever gets "recalibrate"."""
        return self._monitor.verdict(level)
