"""What a detector of rows says about why they are strange, and what is normal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.differing import differing
from anomaly_cl.detectors.explaining import Judgement, explanations, require_level
from anomaly_cl.detectors.explanation import Explanation, Neighbour
from anomaly_cl.detectors.reasons import BANK_ROWS, MOST_REASONS, Donors, RowWords, Typical, cells_of, encoded_of
from anomaly_cl.detectors.row_scorer import RowScorer
from anomaly_cl.detectors.scored import segment_texts
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.explain import Cells, contributions, ordinary_rows, typical_rows

UNUSUAL = 0.01  # p-value up to which a record is called unusual: that of the default policy


class ExplainedRows:
    """Reasons, nearest normal rows and explanations; of the fitted attributes it reads `schema_`, `scorer_`,
    `calibration_` and `reference_`.
    """

    schema_: Schema
    scorer_: RowScorer
    calibration_: Calibration
    reference_: pa.Table

    def reasons(self, table: pa.Table | pa.RecordBatch) -> list[list[dict[str, Any]]]:
        """For each conforming row, the columns that made it strange: column, contribution, value, typical."""
        if not table.num_rows:
            return []
        words = self._words(self._typical(table))
        return [words.reasons(row, MOST_REASONS) for row in range(table.num_rows)]

    def contributions(self, table: pa.Table | pa.RecordBatch) -> np.ndarray:
        """What each learned column adds to the score of conforming rows (rows, columns), in nats, also where that is
        nothing or less; what the score reads beside them comes last.
        """
        return self._typical(table).contributions

    def neighbours(self, table: pa.Table | pa.RecordBatch, k: int = 5) -> list[list[dict[str, Any]]]:
        """For each conforming row, its k nearest normal rows, nearest first, as {column: value}."""
        nearest = self.scorer_.nearest(self.scorer_.encoder_.transform(table), k)
        return [self.reference_.take(indices).to_pylist() for indices in nearest]

    def explain_table(
        self, table: pa.Table | pa.RecordBatch, *, k: int = 5, level: float = UNUSUAL
    ) -> list[Explanation]:
        """An explanation of each row that `score_table` takes, with its k nearest normal rows: why its p-value is at
        most `level`, or that it is not. Raises UsageError for a level or k out of range.
        """
        require_level(level, k)
        if not table.num_rows:
            return []
        found, (calibration, segments) = self._typical(table), self._judged_by(table)
        nearest = self.scorer_.nearest(encoded_of(found.cells), max(k, 1))
        judgement = Judgement(
            self._score_cells,
            lambda scores, rows: calibration.p_value(scores, None if segments is None else segments[rows]),
            self._score_cells(found.cells), calibration.threshold(level, segments, table.num_rows), level)
        # another segment would be judged by other records
        may_change = np.array([segments is None or name != self.schema_.only(Role.SEGMENT) for name in found.names])
        return explanations(found, self._words(found), judgement, may_change,
                            self._neighbours_of(table, nearest[:, :k]))

    def _typical(self, table: pa.Table | pa.RecordBatch) -> Typical:
        """What is typical of rows otherwise alike, and what each column adds to the score."""
        step = -(-self.reference_.num_rows // BANK_ROWS)
        near = self.reference_.take(np.arange(0, self.reference_.num_rows, step))
        beside = self._beside(table)
        rows, bank = self._cells(table, beside), self._cells(near, self._usual_beside(list(beside)))
        positions = typical_rows(rows, bank)
        ordinary = ordinary_rows(rows, bank)
        donors = Donors(near, positions, bank.composed(positions))
        whole = Donors(near, np.repeat(ordinary[:, None], rows.n_columns, axis=1), bank.take(ordinary))
        return Typical(table, [*self.scorer_.encoder_.learned_names_, *beside], rows, bank, donors, whole,
                       *contributions(self._score_cells, rows, donors.cells, whole.cells))

    def _cells(self, table: pa.Table | pa.RecordBatch, beside: Mapping[str, np.ndarray | float]) -> Cells:
        encoder, found = self.scorer_.encoder_, np.zeros((table.num_rows, len(beside)))
        for place, values in enumerate(beside.values()):
            found[:, place] = values
        return cells_of(encoder.transform(table), encoder.column_of_, found)

    def _score_cells(self, cells: Cells) -> np.ndarray:
        """The score (rows,) of cells: that of the rows that they come from."""
        return self.scorer_.score_encoded(encoded_of(cells))

    def _beside(self, table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
        """What the score reads beside the encoded columns {name: (rows,)}."""
        return {}

    def _usual_beside(self, names: list[str]) -> dict[str, float]:
        """What that is of a normal row."""
        return {}

    def _words(self, found: Typical) -> RowWords:
        return RowWords(found)

    def _judged_by(self, table: pa.Table | pa.RecordBatch) -> tuple[Calibration, np.ndarray | None]:
        """The calibration that scores of the rows are judged by, and their segments (rows,) if it knows some."""
        return self.calibration_, segment_texts(table, self.schema_)

    @property
    def _told_schema(self) -> Schema:
        """The schema of the records that are shown."""
        return self.schema_

    def _neighbours_of(self, table: pa.Table | pa.RecordBatch, positions: np.ndarray) -> list[tuple[Neighbour, ...]]:
        """Neighbours of each row, given their positions (rows, k) in the bank."""
        columns, k = self._told_schema.required, positions.shape[1]
        compared = [column.name for column in columns if column.role not in (Role.KEY, Role.ENTITY)]
        records = table.select(compared).to_pylist()
        near = self.reference_.select([column.name for column in columns]).take(positions.reshape(-1)).to_pylist()
        return [tuple(Neighbour(each, differing(record, each, compared)) for each in near[row * k:(row + 1) * k])
                for row, record in enumerate(records)]
