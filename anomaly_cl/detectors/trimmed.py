"""Training rows that look anomalous, left out before anything is learned: trim, look again without them, repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.scored import Scores
from anomaly_cl.errors import UsageError
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.trimming import AUTO, strange_rows, strangeness
from anomaly_cl.table.read import Batch

ROUNDS = 3
SPACE = "standard"
ROW_NUMBER = pa.field("anomaly_cl.row_number", pa.int64())  # while rows are read; no column of a user has that name
ADDED = ("row_number", "score", "p_value")


def trusted_rows(
    table: pa.Table, schema: Schema, contamination: str | float | None, rng: np.random.Generator
) -> np.ndarray:
    """Mask (rows,) of the rows to learn from; all of them without a contamination.

    Features are learned from the rows trusted so far, and all rows measured to those, until the trusted rows stay the
    same: the concentration steps of robust estimation (Rousseeuw and Van Driessen 1999), at most three.
    """
    trusted = np.ones(table.num_rows, bool)
    if contamination is None or table.num_rows < 2:
        return trusted
    share = 0.0 if isinstance(contamination, str) else contamination
    for stream in rng.spawn(ROUNDS):
        encoded = TableEncoder(schema).fit(table.filter(pa.array(trusted))).transform(table)
        strange = strangeness(encoded.spaces[SPACE], trusted, stream, share=share)
        before, trusted = trusted, ~strange_rows(strange, contamination)
        if (trusted == before).all():
            break
    return trusted


def numbered(batch: Batch, names: Sequence[str]) -> pa.RecordBatch:
    """These columns of a batch, and last the position of each row in the whole input."""
    return batch.rows.select(names).append_column(ROW_NUMBER, pa.array(batch.row_numbers, ROW_NUMBER.type))


def check_contamination(contamination: str | float | None, schema: Schema) -> None:
    """Raise UsageError unless it is None, "auto" or a share, or if a column is named like one of the trimmed rows' own.
    """
    if contamination is None:
        return
    if contamination != AUTO and (isinstance(contamination, str) or not 0 < contamination < 0.5):
        raise UsageError("contamination is 'auto' or a share of the rows above 0 and below 0.5",
                         f"it is {contamination!r}", "use 'auto', 0.02 say, or None if all rows are trusted")
    if taken := sorted(set(ADDED) & {column.name for column in schema.required}):
        raise UsageError(f"the trimmed rows are listed with {list(ADDED)}", f"the input has {taken} too",
                         "rename the columns, or give them the role ignore")


def trimmed_table(rows: pa.Table, row_numbers: np.ndarray, scores: Scores | None = None) -> pa.Table:
    """The trimmed rows, strangest first: position in the input, score and p-value of the detector without them, values.

    Scores may be left out where there is no row.
    """
    score, p_value = (np.zeros(0), np.zeros(0)) if scores is None else (scores.score, scores.p_value)
    added = dict(zip(ADDED, map(pa.array, (row_numbers, score, p_value)), strict=True))
    table = pa.table(added | {name: rows.column(name) for name in rows.column_names})
    return table.take(np.argsort(-score, kind="stable"))
