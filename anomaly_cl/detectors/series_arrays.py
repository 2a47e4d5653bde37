"""Arrays as series: a step a row, channels numbered from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomaly_cl.detectors.series_table import SeriesSchema
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Column, Kind, Role, Schema

STEP = "step"  # the time column of arrays


def as_channels(values: Any) -> np.ndarray:
    """An array (time,) or (time, channels) as float64 (time, channels); infinite values raise InputError."""
    array = np.asarray(values, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise UsageError("a series has the shape (time,) or (time, channels)", f"found {np.shape(values)}",
                         "reshape it")
    if np.isinf(array).any():
        raise InputError("numbers must be finite or NaN", f"{int(np.isinf(array).sum())} are infinity",
                         "replace them, by NaN if they mean missing")
    return array


def array_schema(channels: int) -> SeriesSchema:
    """The schema of arrays of so many channels."""
    names = [str(number) for number in range(channels)]
    time = Column(STEP, Kind.DATETIME, "timestamp[us]", Role.TIME)
    return SeriesSchema(Schema((time, *(Column(name, Kind.NUMERIC, "double") for name in names))))
