"""Rows of a table as one matrix of finite numbers in each of three spaces, and one tail number for each column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.categorical import CategoricalEncoder
from anomaly_cl.features.clock import ClockEncoder
from anomaly_cl.features.column_encoder import SPACES, ColumnEncoder
from anomaly_cl.features.numeric import NumericEncoder
from anomaly_cl.features.text import TextEncoder
from anomaly_cl.features.vector import VectorEncoder
from anomaly_cl.schema import Column, Kind, Schema

__all__ = ["SPACES", "EncodedRows", "TableEncoder", "column_numbers"]

ENCODERS: dict[Kind, type[ColumnEncoder]] = {
    Kind.NUMERIC: NumericEncoder,
    Kind.CATEGORICAL: CategoricalEncoder,
    Kind.DATETIME: ClockEncoder,
    Kind.TEXT: TextEncoder,
    Kind.VECTOR: VectorEncoder,
}


def column_numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> np.ndarray:
    """One number for each row and column, float64 (rows, columns), that depends on nothing learned.

    Order and ties are those of the values; see `number` of each encoder. Infinity stands for a missing value.
    """
    numbers = np.empty((rows.num_rows, len(columns)))
    for position, column in enumerate(columns):
        numbers[:, position] = ENCODERS[column.kind].number(_array(rows, column.name))
    return numbers


@dataclass(frozen=True)
class EncodedRows:
    """Rows as finite numbers: `spaces` float32 (rows, width) by name, and `tails` float64 (rows, learned columns)."""

    spaces: dict[str, np.ndarray]
    tails: np.ndarray

    def __len__(self) -> int:
        return len(self.tails)

    def take(self, index: Any) -> EncodedRows:
        """The rows that a NumPy index along the rows (positions, mask, slice) picks."""
        return EncodedRows({space: matrix[index] for space, matrix in self.spaces.items()}, self.tails[index])

    @staticmethod
    def concat(parts: Sequence[EncodedRows]) -> EncodedRows:
        """The rows of all parts (at least one) after each other."""
        if not parts:
            raise UsageError("encoded rows are joined from at least one part", "found none", "pass one or more")
        return EncodedRows(
            {space: np.concatenate([part.spaces[space] for part in parts]) for space in parts[0].spaces},
            np.concatenate([part.tails for part in parts]),
        )


class TableEncoder:
    """Learns every learned column of a table (roles feature, time, segment) and encodes rows, each by itself.

    Fitted attributes: `learned_names_`, in schema order; `column_of_`, int (width,), the position in `learned_names_`
    of the column that an output belongs to, the same in all spaces; `two_sided_`, bool (learned columns,), whether
    small tails are as strange as large ones (numbers) or only large ones are (surprises, distances).
    """

    def __init__(self, schema: Schema):
        self.schema = schema

    def fit(self, rows: pa.Table | pa.RecordBatch) -> TableEncoder:
        """Learn from rows that conform to the schema; InputError if there are none, or nothing to learn from."""
        columns = self.schema.learned
        if not columns:
            raise InputError(
                "at least one column must be learned from", f"the schema has {self._roles()}",
                "give a column the role feature",
            )
        if not rows.num_rows:
            raise InputError("learning needs at least one row", "found none", "check the file and the filter")
        self._set_encoders({column.name: _encoder(column).fit(_array(rows, column.name)) for column in columns})
        return self

    def transform(self, rows: pa.Table | pa.RecordBatch) -> EncodedRows:
        """Encode rows (any number, also none); InputError if a learned column is missing."""
        n, width = rows.num_rows, len(self.column_of_)
        spaces = {space: np.empty((n, width), np.float32) for space in SPACES}
        tails = np.empty((n, len(self.learned_names_)))
        start = 0
        for position, (name, encoder) in enumerate(self.encoders_.items()):
            block = encoder.transform(_array(rows, name))
            outputs = slice(start, start := start + encoder.width_)
            for space in SPACES:
                spaces[space][:, outputs] = block.spaces[space]
            tails[:, position] = block.tail
        return EncodedRows(spaces, tails)

    def typical(self) -> dict[str, Any]:
        """For each learned column its median, most frequent category or usual hour; None for text and vectors."""
        return {name: encoder.typical_ for name, encoder in self.encoders_.items()}

    def to_state(self) -> dict[str, Any]:
        states = {str(i): encoder.to_state() for i, encoder in enumerate(self.encoders_.values())}
        return {"schema": json.dumps(self.schema.to_dict()), "columns": states}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TableEncoder:
        encoder = cls(Schema.from_dict(json.loads(state["schema"])))
        encoder._set_encoders({
            column.name: ENCODERS[column.kind].from_state(state["columns"][str(i)])
            for i, column in enumerate(encoder.schema.learned)
        })
        return encoder

    def _set_encoders(self, encoders: dict[str, ColumnEncoder]) -> None:
        self.encoders_ = encoders
        self.learned_names_ = list(encoders)
        self.column_of_ = np.repeat(np.arange(len(encoders)), [encoder.width_ for encoder in encoders.values()])
        self.two_sided_ = np.array([encoder.two_sided for encoder in encoders.values()])

    def _roles(self) -> dict[str, str]:
        return {column.name: column.role.value for column in self.schema.columns}


def _encoder(column: Column) -> ColumnEncoder:
    return VectorEncoder(column.size) if column.size and column.kind is Kind.VECTOR else ENCODERS[column.kind]()


def _array(rows: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    position = rows.schema.get_field_index(name)
    if position < 0:
        raise InputError(
            f"column {name!r} is missing", f"the rows have {rows.schema.names}", "rename it or edit the schema"
        )
    array = rows.column(position)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
