"""What is at stake in a record: which column says so, and its numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.batch.events import file_schema
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Kind, Role
from anomaly_cl.table.names import is_amount


def amount_column(named: str | None, detector: Detector, rows: pa.Schema) -> str | None:
    """The column of amounts: the one named, else the first number learned from whose name says that it is one.

    None where no name says so, and of series, whose readings are no amounts. Raises UsageError for a named column that
    is not in the rows, or holds no numbers.
    """
    if named is not None:
        if named not in rows.names:
            raise UsageError("the amounts are a column of the input", f"it lacks {named!r}",
                             f"choose among {rows.names}")
        if not _is_number(rows.field(named).type):
            raise UsageError("amounts are numbers", f"{named!r} is {rows.field(named).type}",
                             "name another column, or set its kind to numeric in the schema")
        return named
    if isinstance(detector, SeriesDetector):
        return None
    numbers = [column.name for column in file_schema(detector).with_role(Role.FEATURE) if column.kind is Kind.NUMERIC]
    return next((name for name in numbers if is_amount(name)), None)


def amounts_of(rows: pa.Table | pa.RecordBatch, column: str | None) -> np.ndarray:
    """Amounts (rows,) float64, NaN where there is none or it is not finite."""
    if column is None:
        return np.full(rows.num_rows, np.nan)
    found = pc.cast(rows.column(column), pa.float64(), safe=False)
    values = np.array(pc.fill_null(found, np.nan).to_numpy(zero_copy_only=False)
                      if isinstance(found, pa.Array) else pc.fill_null(found, np.nan).to_numpy(), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def known_amount(amount: float) -> float | None:
    """One of them as the store has it."""
    return None if np.isnan(amount) else float(amount)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
