"""The scored file's columns: what a detector says of each row, beside the columns that name the row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from anomaly_cl.schema import Role, Schema

REASON = pa.struct([("column", pa.string()), ("contribution", pa.float64()), ("value", pa.string()),
                    ("typical", pa.string())])
REASONS = pa.list_(REASON)
NAMING_ROLES = (Role.KEY, Role.ENTITY, Role.TIME)
SCORED = {"score": pa.float64(), "p_value": pa.float64(), "p_tail": pa.float64(), "risk": pa.float64(),
          "alert": pa.bool_(), "segment": pa.string(), "reasons": REASONS, "model_id": pa.string()}
"""The columns that scoring adds, in order, and their types."""


@dataclass(frozen=True)
class Scores:
    """Numbers of scored rows, each float64 (rows,): see the words score, p-value and risk in the documentation."""

    score: np.ndarray
    p_value: np.ndarray
    p_tail: np.ndarray
    risk: np.ndarray


def naming_columns(schema: Schema) -> list[str]:
    """Names of the key, entity and time columns, in schema order."""
    return [column.name for column in schema.columns if column.role in NAMING_ROLES]


def segment_texts(rows: pa.RecordBatch | pa.Table, schema: Schema) -> np.ndarray | None:
    """The segment of each row as text, object (rows,), None where it is missing; no array without such a column."""
    segment = schema.only(Role.SEGMENT)
    if segment is None:
        return None
    column = rows.column(segment)
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = whole.cast(pa.string()).dictionary_encode()
    names = np.array([*encoded.dictionary.to_pylist(), None], object)  # one object a segment, not one a row
    return names[encoded.indices.fill_null(len(names) - 1).to_numpy()]


def score_columns(
    scores: Scores, rows: pa.RecordBatch | pa.Table, schema: Schema, model_id: str
) -> dict[str, pa.Array]:
    """The columns of `SCORED` that are known before a policy is applied: all but alert and reasons."""
    segments = segment_texts(rows, schema)
    return {
        "score": pa.array(scores.score), "p_value": pa.array(scores.p_value), "p_tail": pa.array(scores.p_tail),
        "risk": pa.array(scores.risk),
        "segment": pa.nulls(rows.num_rows, pa.string()) if segments is None else pa.array(segments, pa.string()),
        "model_id": pa.repeat(pa.scalar(model_id), rows.num_rows),
    }
