"""Scoring inside a pipeline: batches of rows in, scored batches out, nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.batch.outputs import AFTER_POLICY, draft_rows, draft_schema, scored_schema
from anomaly_cl.batch.pipeline import scored_batches
from anomaly_cl.detectors.fitted import refuse
from anomaly_cl.detectors.loading import Detector, load
from anomaly_cl.detectors.policies import known_before, resolve, scored_rows
from anomaly_cl.detectors.scored import REASONS, Scores
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.thresholds import Alpha, parse_policy
from anomaly_cl.table.casting import cast_each, null_nan
from anomaly_cl.table.conform import conform, without_private
from anomaly_cl.table.raw import no_rows
from anomaly_cl.table.read import Batch, OnReject, rows_at_once
from anomaly_cl.table.sources import parts_of

REMEDY = "mend or leave out the row, or give on_reject, which is then told of such rows"

def score_batches(
    model: Detector | str | Path, batches: Any, *, policy: str | Policy | None = None, keep: Sequence[str] = (),
    on_reject: OnReject | None = None, first_row: int = 0,
) -> Iterator[pa.RecordBatch]:
    """Score a stream of batches in their order; rows come out as `score_file` writes them.

    Batches may be read ahead, in another thread: where a source waits for what is to come, score each batch by itself.

    Args:
        model: a detector that judges rows by themselves, or the folder of one.
        batches: an iterable of Arrow record batches, or of other data in memory that `TabularDetector.score` takes,
            such as pandas chunks; or one such table or reader. Types may differ from batch to batch, as far as the
            schema can read them. Large batches come out in several, those without an accepted row not at all.
        policy: "alpha=0.01", the default, or another rate; all other policies choose among all rows of a file.
        keep: columns of the input to carry over; they have their type in the first batch.
        on_reject: called with the rejected rows of a batch before its scored rows come out; rows in = rows out + rows
            rejected. Without it, a rejected row is an InputError.
        first_row: number of the first row; the others are counted on from it.

    Raises:
        UsageError: the model or the policy looks at more than a row. ModelError: the folder cannot be read. InputError,
        while iterating: a batch lacks a column or cannot be read.
    """
    detector = by_row(load(model) if isinstance(model, str | Path) else model)
    chosen = resolve(by_itself(policy), known_before(detector.calibration_, detector.schema_))
    raws = _numbered(_tables(batches), first_row)
    return _scored(detector, chosen, raws, keep, on_reject or partial(refuse, remedy=REMEDY))


def scored_batch_schema(
    model: Detector | str | Path, columns: pa.Schema, *, keep: Sequence[str] = ()
) -> pa.Schema:
    """The Arrow schema of what `score_batches` makes of batches with these columns, for engines that ask beforehand.

    Raises InputError for a missing column, and UsageError for a model that looks at more than a row.
    """
    detector = by_row(load(model) if isinstance(model, str | Path) else model)
    return scored_schema(conforming_schema(columns, detector.schema_), detector.schema_, keep)


def conforming_schema(columns: pa.Schema, schema: Schema) -> pa.Schema:
    """The Arrow schema of rows with these columns once they conform; raises InputError for a missing column."""
    return conform(no_rows(columns), schema)[0].schema


def by_row(detector: Detector) -> TabularDetector:
    """The detector, if a row is all that it looks at; else raises UsageError."""
    if not isinstance(detector, TabularDetector):
        raise UsageError("batches are scored by models that judge rows by themselves",
                         "this one judges records or steps against all that came before them",
                         "score files with their --history; for models of events, also with --engine spark")
    return detector


def by_itself(policy: str | Policy | None) -> Policy | None:
    """The policy, if it decides on each row by itself (None: the default does); else raises UsageError."""
    policy = parse_policy(policy) if isinstance(policy, str) else policy
    if policy is not None and not isinstance(policy, Alpha):
        raise UsageError("alerts of a stream are cut by alpha, which looks at one row",
                         f"{policy} chooses among all rows of a file",
                         "write alpha=RATE, or choose among the p-values when the stream has ended")
    return policy


def reasons_of(detector: Detector, batch: Batch, alerts: np.ndarray) -> list[Any]:
    """The reasons of those rows that are alerts (rows,); None for the others."""
    reasons: list[Any] = [None] * len(alerts)
    for row, found in zip(np.flatnonzero(alerts), detector.reasons(batch.rows.filter(pa.array(alerts))), strict=True):
        reasons[row] = found
    return reasons


def scored_rows_of(
    detector: Detector, batch: Batch, scores: Scores, schema: pa.Schema, alerts: np.ndarray, reasons: list[Any]
) -> pa.RecordBatch:
    """Rows of a scored file's schema, with which of them are alerts (rows,) and why."""
    rows = draft_rows(batch, scores, draft_schema(schema), detector.schema_, detector.model_id_)
    added = dict(zip(AFTER_POLICY, (pa.array(alerts), pa.array(reasons, REASONS)), strict=True))
    columns = [added[name] if name in added else rows.column(name).combine_chunks() for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass(frozen=True)
class BatchRows:
    """Accepted rows of raw batches (rows, their numbers), all with the columns of the first."""

    arrow_schema: pa.Schema
    schema: Schema
    raws: Iterable[tuple[pa.RecordBatch, np.ndarray]]
    on_reject: OnReject

    def __iter__(self) -> Iterator[Batch]:
        for raw, numbers in self.raws:
            rows, numbers, rejected = conform(raw, self.schema, numbers)
            if rejected:
                self.on_reject(without_private(rejected, self.schema))
            if rows.num_rows:
                yield Batch(_as_before(rows, self.arrow_schema), numbers)


def _scored(
    detector: TabularDetector, policy: Policy, raws: Iterator[tuple[pa.RecordBatch, np.ndarray]], keep: Sequence[str],
    on_reject: OnReject,
) -> Iterator[pa.RecordBatch]:
    first = next(raws, None)
    if first is None:
        return
    columns = conforming_schema(first[0].schema, detector.schema_)
    final = scored_schema(columns, detector.schema_, keep)
    read = {column.name for column in detector.schema_.required} | set(keep)
    arrow_schema = pa.schema([field for field in columns if field.name in read])
    rows = BatchRows(arrow_schema, detector.schema_, chain([first], raws), on_reject)
    for batch, scores in scored_batches(detector, rows):
        alerts = policy.alerts(scored_rows(scores, batch.rows, detector.schema_, detector.calibration_.n_rows_))
        yield scored_rows_of(detector, batch, scores, final, alerts, reasons_of(detector, batch, alerts))


def _as_before(rows: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    """The columns that are wanted, each of its type in the first batch; raises InputError where that cannot be."""
    columns = []
    for field in wanted:
        if field.name not in rows.schema.names:
            raise InputError("batches have the columns to keep", f"one lacks {field.name!r}",
                             "add it, or do not keep it")
        column = rows.column(field.name)
        if column.type != field.type:
            column, bad = _cast(column, field.type)
            if bad.any():
                found = f"{field.name!r} is {field.type} in the first, and then {rows.column(field.name).type}"
                raise InputError("columns to keep have the same type in every batch", found,
                                 "cast it before, or do not keep it")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _cast(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    try:
        return cast_each(null_nan(column), kind)
    except pa.ArrowNotImplementedError:
        return column, np.ones(1, bool)


def _tables(batches: Any) -> Iterator[Any]:
    """The tables that are meant: one, or each of an iterable."""
    if isinstance(batches, str | Path):
        raise UsageError("batches are data in memory", f"{str(batches)!r} is a path",
                         "use score_file, or open the file")
    whole = isinstance(batches, pd.DataFrame | np.ndarray) or any(
        hasattr(batches, name) for name in ("__arrow_c_stream__", "__arrow_c_array__"))
    return iter([batches] if whole else batches)


def _numbered(tables: Iterator[Any], first_row: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """All rows, cut to batches, with their numbers."""
    for table in tables:
        part = parts_of(table)[1][0]
        n_rows = 0
        for raw in part.read(rows_at_once(len(part.columns))):
            yield raw.rows, raw.numbers + first_row
            n_rows += raw.rows.num_rows
        first_row += n_rows
