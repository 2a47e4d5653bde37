"""Reasons of rows in words: what a column has, and what rows otherwise alike have there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.clauses import change_in_words, clause
from anomaly_cl.detectors.differing import is_missing
from anomaly_cl.detectors.explanation import Change, Clause
from anomaly_cl.features.table_encoder import EncodedRows
from anomaly_cl.scoring.explain import Cells

BANK_ROWS = 2_000  # normal rows among which those alike are looked for
MOST_REASONS = 5
NEARLY = 0.3  # of the strongest contribution about the same subject
SPACE = "rank"  # rows are compared in bounded steps: one huge value does not hide the other columns
TAILS, BESIDE = "tails", "beside"  # names of matrices other than those of spaces


def cells_of(encoded: EncodedRows, column_of: np.ndarray, beside: np.ndarray) -> Cells:
    """Encoded rows as cells, with columns beside the encoded ones, float64 (rows, columns)."""
    n_learned = encoded.tails.shape[1]
    matrices = {**encoded.spaces, TAILS: encoded.tails, BESIDE: beside}
    columns = dict.fromkeys(encoded.spaces, column_of)
    return Cells(matrices, columns | {TAILS: np.arange(n_learned), BESIDE: n_learned + np.arange(beside.shape[1])},
                 SPACE)


def encoded_of(cells: Cells) -> EncodedRows:
    """The encoded rows of cells."""
    return EncodedRows({name: matrix for name, matrix in cells.matrices.items() if name not in (TAILS, BESIDE)},
                       cells.matrices[TAILS])


@dataclass(frozen=True)
class Donors:
    """Rows that cells are taken from: column j of row i from the row of `table` at positions[i, j]."""

    table: pa.Table
    positions: np.ndarray
    cells: Cells

    def value(self, row: int, column: int, name: str) -> Any:
        """The value that a row would take."""
        return self.table.column(name)[int(self.positions[row, column])].as_py()


@dataclass(frozen=True)
class Typical:
    """Rows, the names of their columns, cells of rows otherwise alike and of an ordinary row, what a column contributes
    to the score (rows, columns), and its falls (rows, columns) when a column alone takes what is typical.
    """

    rows: pa.Table | pa.RecordBatch
    names: list[str]
    cells: Cells
    bank: Cells
    donors: Donors
    ordinary: Donors
    contributions: np.ndarray
    falls: np.ndarray


class RowWords:
    """Cells of rows, and what they would usually be, in words."""

    def __init__(self, found: Typical):
        self.found = found

    def strongest(self, row: int) -> list[int]:
        """Columns with a positive contribution that can be told, strongest first."""
        found = self.found.contributions[row]
        return [int(j) for j in np.argsort(-found, kind="stable") if found[j] > 0 and self.can_tell(row, int(j))]

    def can_tell(self, row: int, column: int) -> bool:
        """Whether there is anything to be told of a column."""
        return True

    def reasons(self, row: int, most: int | None = None) -> list[dict[str, Any]]:
        """Columns with a positive contribution, strongest first: column, contribution, value and typical value."""
        reasons = []
        for column in self.strongest(row)[:most]:
            value, typical = self.told(row, column)
            reasons.append({"column": self.found.names[column], "value": value, "typical": typical,
                            "contribution": float(self.found.contributions[row, column])})
        return reasons

    def told(self, row: int, column: int) -> tuple[str | None, str | None]:
        """A value and the typical one."""
        name = self.found.names[column]
        return shown(self.value(row, name)), usual(self.found.donors.value(row, column, name))

    def clause(self, row: int, column: int) -> str:
        """A cell and what is typical, as a clause of a sentence."""
        name = self.found.names[column]
        return clause(name, self.value(row, name), self.found.donors.value(row, column, name))

    def subject(self, column: int) -> object:
        """What a column is about: of those about the same, a sentence tells the strongest."""
        return self.found.names[column]

    def speaks_of_the_past(self, column: int) -> bool:
        """Whether a column compares the record with its entity's past, which tells a reader more than its cell."""
        return False

    def clauses(self, row: int, most: int) -> list[tuple[float, Clause]]:
        """The strongest contributions to a row, each with its clause, one a subject: that of the strongest column, or
        of one that speaks of the past and contributes nearly as much.
        """
        nats = self.found.contributions[row]
        chosen: dict[object, list[int]] = {}
        for column in self.strongest(row):
            chosen.setdefault(self.subject(column), []).append(column)
        told = []
        for columns in list(chosen.values())[:most]:
            past = [j for j in columns if self.speaks_of_the_past(j) and nats[j] >= NEARLY * nats[columns[0]]]
            column = (past or columns)[0]
            told.append((float(nats[columns[0]]), Clause(self.found.names[column], self.clause(row, column))))
        return told

    def change(self, row: int, column: int, donors: Donors) -> Change:
        """What taking a cell of other rows changes."""
        name = self.found.names[column]
        value, to = self.value(row, name), donors.value(row, column, name)
        return Change(name, value, to, change_in_words(name, value, to))

    def value(self, row: int, name: str) -> Any:
        return self.found.rows.column(name)[row].as_py()


def usual(value: Any) -> str | None:
    """As `shown`, but of a time only what is learned from it: weekday and hour."""
    return format(value, "%a %H:%M") if isinstance(value, datetime) else shown(value)


def shown(value: Any) -> str | None:
    """A value as people read it: six significant digits, missing as None."""
    if is_missing(value):
        return None
    return format(value, ".6g") if isinstance(value, float) else str(value)
