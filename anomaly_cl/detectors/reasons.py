"""Why a row was flagged: how far its score falls when a column takes the value that rows otherwise alike have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.features.table_encoder import EncodedRows

ALIKE_ROWS = 15  # normal rows most like a row in its other columns; their medoid says what is typical
BANK_ROWS = 2_000  # normal rows among which they are looked for
MOST_COLUMNS = 32  # columns tried for a row; wider tables try those that differ most from what is typical
MOST_REASONS = 5
CELLS = 4_000_000  # bounds the memory
SPACE = "rank"  # bounded steps: one huge value does not hide the other columns


def typical_rows(rows: EncodedRows, bank: EncodedRows, column_of: np.ndarray) -> np.ndarray:
    """For each row and column, the bank row (rows, columns) whose value there is typical of rows otherwise alike.

    Otherwise alike are the bank rows nearest in all columns but this one; typical is the medoid of their values: the
    value that is nearest to all the others.
    """
    n_columns = rows.tails.shape[1]
    found = np.empty((len(rows), n_columns), np.intp)
    step = max(1, CELLS // (len(bank) * n_columns))
    blocks = [np.flatnonzero(column_of == column) for column in range(n_columns)]
    there = bank.spaces[SPACE].astype(np.float64)
    for start in range(0, len(rows), step):
        here = rows.spaces[SPACE][start:start + step].astype(np.float64)
        apart = [_squared(here[:, block], there[:, block]) for block in blocks]
        total = np.sum(np.stack(apart), axis=0)
        for column, block in enumerate(blocks):
            alike = np.argsort(total - apart[column], axis=1, kind="stable")[:, :ALIKE_ROWS]
            values = there[:, block][alike]
            spread = np.square(values[:, :, None] - values[:, None]).sum(axis=3).sum(axis=2)
            medoid = spread.argmin(axis=1)[:, None]
            found[start:start + step, column] = np.take_along_axis(alike, medoid, 1)[:, 0]
    return found


def _squared(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Squared distances (rows, bank rows), summed output by output: the same numbers for any number of rows."""
    total = np.zeros((len(here), len(there)))
    for x, y in zip(here.T, there.T, strict=True):
        total += np.square(x[:, None] - y)
    return total


def contributions(
    score: Callable[[EncodedRows], np.ndarray], rows: EncodedRows, bank: EncodedRows, typical: np.ndarray,
    column_of: np.ndarray,
) -> np.ndarray:
    """Fall of the score (rows, columns), in nats, when a column takes the value of its typical bank row."""
    before, (n_rows, n_columns) = score(rows), typical.shape
    falls, differs = np.zeros((n_rows, n_columns)), np.zeros((n_rows, n_columns))
    for output, column in enumerate(column_of.tolist()):
        there = bank.spaces[SPACE][typical[:, column], output]
        differs[:, column] += np.abs(rows.spaces[SPACE][:, output] - there)
    tried = np.zeros(falls.shape, bool)
    np.put_along_axis(tried, np.argsort(-differs, axis=1, kind="stable")[:, :MOST_COLUMNS], True, axis=1)
    for column in range(n_columns):
        which = np.flatnonzero(tried[:, column] & (differs[:, column] > 0))
        if len(which):
            changed = _replace(rows.take(which), bank.take(typical[which, column]), column, column_of == column)
            falls[which, column] = before[which] - score(changed)
    return falls


def _replace(rows: EncodedRows, other: EncodedRows, column: int, outputs: np.ndarray) -> EncodedRows:
    spaces = {name: np.where(outputs, other.spaces[name], matrix) for name, matrix in rows.spaces.items()}
    tails = rows.tails.copy()
    tails[:, column] = other.tails[:, column]
    return EncodedRows(spaces, tails)


def reasons(
    falls: np.ndarray, names: Sequence[str], table: pa.RecordBatch | pa.Table, bank: pa.Table, typical: np.ndarray
) -> list[list[dict[str, Any]]]:
    """For each row its columns with a positive contribution, strongest first, at most five."""
    found = []
    for row, fall in enumerate(falls):
        strongest = [int(j) for j in np.argsort(-fall, kind="stable")[:MOST_REASONS] if fall[j] > 0]
        found.append([
            {"column": names[j], "contribution": float(fall[j]), "value": shown(table.column(names[j])[row].as_py()),
             "typical": usual(bank.column(names[j])[int(typical[row, j])].as_py())}
            for j in strongest
        ])
    return found


def usual(value: Any) -> str | None:
    """As `shown`, but of a time only what is learned from it: weekday and hour."""
    return format(value, "%a %H:%M") if isinstance(value, datetime) else shown(value)


def shown(value: Any) -> str | None:
    """A value as people read it: six significant digits, missing as None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return format(value, ".6g") if isinstance(value, float) else str(value)
