"""What every input yields before a schema is applied to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError
from anomaly_cl.table.conform import Rejected


class Raw(NamedTuple):
    """Some records of one part: those that could be split into columns, their numbers within the part, the others."""

    rows: pa.RecordBatch
    numbers: np.ndarray
    broken: list[Rejected]


class Part(Protocol):
    """One file, or one table in memory."""

    @property
    def file(self) -> str:
        """Its path; empty for a table in memory."""

    @property
    def columns(self) -> pa.Schema:
        """Names and types of the columns that `read` yields."""

    def read(self, batch_rows: int) -> Iterator[Raw]:
        """All its records in order, at most `batch_rows` at a time."""


def no_rows(columns: pa.Schema) -> pa.RecordBatch:
    """A batch with these columns and no rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in columns], schema=columns)


@contextmanager
def reading(file: str, kind: str) -> Iterator[None]:
    """Name the file in whatever the Arrow reader says of it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} cannot be read as {kind}", said, "check that the file is whole and what its name "
                         "says, or write it again") from error
