"""What every fitted detector does with rows that conform to its schema: scores, alerts, reasons, drift."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.detectors import artifact
from anomaly_cl.detectors.drift import DriftWatch, TableDrift
from anomaly_cl.detectors.explained_rows import ExplainedRows
from anomaly_cl.detectors.policies import known_before, resolve, scored_rows
from anomaly_cl.detectors.row_scorer import BANK_ROWS, FAST, NEIGHBOURS, NO_PRETRAINING, check_pretraining
from anomaly_cl.detectors.scored import REASONS, SCORED, Scores, naming_columns, score_columns, segment_texts
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.scoring.calibration import Calibration, risk
from anomaly_cl.scoring.drift import DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.table.cells import arrow_type
from anomaly_cl.table.conform import Rejected
from anomaly_cl.table.read import Batch, open_rows

TRIED_ROWS = 3
FEWEST = {"bank_rows": 100, "fit_rows": 4}


class FittedDetector(ExplainedRows):
    """Fitted attributes that all of it reads: `schema_`, `scorer_`, `calibration_`, `drift_reference_`, `reference_`
    (the normal rows of the bank) and `model_id_`.
    """

    drift_reference_: DriftReference
    model_id_: str
    made_with_: Mapping[str, str] | None = None  # versions of libraries; those of this process where it made the model

    def score_table(self, table: pa.Table | pa.RecordBatch) -> Scores:
        """Scores of rows that already conform to the schema; a row's scores do not depend on the others."""
        return judged(self.scorer_.score(table), self.calibration_, segment_texts(table, self.schema_))

    def scored_frame(self, table: pa.Table, policy: str | Policy | None) -> pd.DataFrame:
        """One line for each conforming row: the columns that name it, and those of a scored file."""
        chosen = self.resolve_policy(policy, table.num_rows)
        scores = self.score_table(table)
        mask = chosen.alerts(scored_rows(scores, table, self.schema_, self.calibration_.n_rows_))
        texts: list[Any] = [None] * table.num_rows
        for row, found in zip(np.flatnonzero(mask), self.reasons(table.filter(pa.array(mask))), strict=True):
            texts[row] = found
        columns = score_columns(scores, table, self.schema_, self.model_id_)
        columns |= {"alert": pa.array(mask), "reasons": pa.array(texts, REASONS)}
        columns |= {name: table.column(name) for name in naming_columns(self.schema_)}
        return pa.table({name: columns[name] for name in [*naming_columns(self.schema_), *SCORED]}).to_pandas()

    def drift_of_stream(self, stream: Iterable[Batch], *, level: float = LEVEL) -> DriftVerdict:
        """The same for a stream of batches of rows that `score_table` takes."""
        monitor = self.drift_monitor()
        for batch in stream:
            monitor.add(batch.rows, self.score_table(batch.rows).score)
        return monitor.verdict(level)

    def drift_monitor(self) -> DriftWatch:
        """A monitor to which rows are added as they are scored, for streams without an end."""
        return TableDrift(self.drift_reference_, self.schema_)

    def resolve_policy(self, policy: str | Policy | None = None, n_rows: int | None = None) -> Policy:
        """The policy meant by a text, or the default; see `anomaly_cl.detectors.policies.resolve`."""
        return resolve(policy, known_before(self.calibration_, self.schema_, n_rows))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model folder; raises ModelError, naming the file, if it is incomplete, altered or too new."""
        return cls.from_model(*artifact.load_model(folder), folder)

    @classmethod
    def from_model(cls, state: Mapping[str, Any], tables: Mapping[str, pa.Table], folder: str | Path) -> Self:
        """The detector that was saved in this folder; raises ModelError if the state is incomplete, or scores nothing.
        """
        try:
            detector = cls.from_state(state, tables)
            detector.made_with_ = dict(artifact.describe_model(folder)["versions"])
            detector.require_scoring()
            return detector
        except ModelError:
            raise
        # A state with right digests may still be anything; what it does to the code that reads it cannot be foreseen.
        except Exception as error:
            raise ModelError("a model's state must be complete, and score its own rows", f"{folder}: {error!r:.500}",
                             artifact.RETRAIN) from error

    def require_scoring(self) -> None:
        """Score some of the model's own rows, and one in which everything is missing; raises where that cannot be."""
        columns = {column.name: arrow_type(column) for column in self._own_columns()}
        if (names := [name for name, kind in columns.items() if self.reference_.schema.field(name).type != kind]):
            raise ModelError("the rows of a model conform to its schema", f"the columns {names} do not",
                             artifact.RETRAIN)
        if self.reference_.num_rows != len(self.scorer_.bank_positions_):
            raise ModelError("a model has the rows of its bank", f"it has {self.reference_.num_rows} of "
                             f"{len(self.scorer_.bank_positions_)}", artifact.RETRAIN)
        rows = self.reference_.slice(0, TRIED_ROWS)
        nothing = pa.table([pa.nulls(1, field.type) for field in rows.schema], schema=rows.schema)
        scores = self._own_scores(pa.concat_tables([rows, nothing]))
        if not all(np.isfinite(getattr(scores, name)).all() for name in Scores.__dataclass_fields__):
            raise ModelError("the scores of a model are finite numbers", f"{scores}", artifact.RETRAIN)
        self.neighbours(rows, 1)

    def _own_columns(self) -> list[Column]:
        """What the rows of the bank have."""
        return self.schema_.required

    def _own_scores(self, rows: pa.Table) -> Scores:
        """Scores of rows such as those of the bank."""
        return self.score_table(rows)

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Self:
        """The detector of this state; KeyError and the like where something is missing."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "calibration_")


def judged(score: np.ndarray, calibration: Calibration, segments: np.ndarray | None = None) -> Scores:
    """Scores (rows,) with what a calibration says of them, by segments (rows,) if it knows some."""
    p_tail = calibration.p_tail(score, segments)
    return Scores(score, calibration.p_value(score, segments), p_tail, risk(p_tail))


def read_rows(rows: Any, schema: Schema, where: str | None = None) -> pa.Table:
    """Rows in any form as a table of the columns that scoring reads; raises InputError for a row that is rejected."""
    stream = open_rows(rows, schema, where=where, on_reject=refuse)
    read = [column.name for column in schema.required]
    batches = [batch.rows.select(read) for batch in stream]
    return pa.Table.from_batches(batches, schema=pa.schema([stream.arrow_schema.field(name) for name in read]))


def refuse(
    rejected: list[Rejected],
    remedy: str = "mend or leave out the row, allow it in the schema, or score a file: rejected rows are then kept "
                  "beside it",
) -> None:
    """In memory there is no file for rejected rows, so the first one is an error."""
    first = rejected[0]
    raise InputError(f"column {first.column!r}: {first.rule}", f"row {first.row_number} has {first.raw_value!r}",
                     remedy)


def check_settings(detector: Any) -> None:
    """UsageError unless the `pretraining` of a detector is known, and its `bank_rows` and `fit_rows` large enough."""
    check_pretraining(detector.pretraining)
    for name, fewest in FEWEST.items():
        value = getattr(detector, name)
        if value is not None and not value >= fewest:
            raise UsageError(f"{name} must be {fewest} or more", f"it is {value!r}", "raise it")


def check_search(search: str, pretraining: str) -> None:
    """UsageError unless it is a search by that name, which goes with the pretraining."""
    if search not in BANK_ROWS:
        raise UsageError(f"search is one of {[*BANK_ROWS]}", f"it is {search!r}", "choose one of them")
    if search == FAST and pretraining not in (NEIGHBOURS, NO_PRETRAINING):
        raise UsageError("the fast search measures in the metrics of neighbour contrast, or in the raw spaces",
                         f"pretraining is {pretraining!r}", f"use {NEIGHBOURS} or {NO_PRETRAINING}, or search='exact'")
