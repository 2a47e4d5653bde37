"""Rows of a scored file with what is known of them afterwards, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.casting import null_nan, plain
from anomaly_cl.table.cells import cast_cells
from anomaly_cl.table.raw import reading
from anomaly_cl.table.read import read_table

FROM_SCORING = ("score", "alert")


@dataclass(frozen=True)
class Codes:
    """A column as numbers (rows,) that ascend with its values, -1 where missing; `values` are those by number."""

    numbers: np.ndarray
    values: Sequence[Any]


class LabelledRows:
    """The rows of a scored file that have a label, in file order; `unknown` is the number of the others.

    Arrays (rows,): labels (1.0 anomaly, 0.0 normal), scores, alerts; other columns by name, as what they are read as.
    """

    def __init__(self, table: pa.Table, label: str):
        numbers = _labels(plain(table[label].combine_chunks()), label)
        self._table, self.unknown = table.filter(numbers.is_valid()), numbers.null_count
        self.labels = numbers.drop_null().to_numpy()
        self.scores = self._table["score"].to_numpy()
        self.alerts = self._table["alert"].to_numpy()

    def codes(self, column: str) -> Codes:
        """Kinds or entities, in ascending order of their values."""
        encoded = pc.dictionary_encode(null_nan(self._column(column)))
        order = pc.sort_indices(encoded.dictionary)
        rank = np.append(np.empty(len(order), np.int64), -1)
        rank[order.to_numpy()] = np.arange(len(order))
        return Codes(rank[encoded.indices.fill_null(-1).to_numpy()], encoded.dictionary.take(order).to_pylist())

    def times(self, column: str) -> np.ndarray:
        """Wall-clock times as datetime64, NaT where missing: a time zone is kept, not converted."""
        return self._cast(column, pa.timestamp("us"), "date or time").to_numpy(zero_copy_only=False)

    def instants(self, column: str) -> np.ndarray:
        """Times of a scored file in microseconds, int64: those with a zone as instants, others as written."""
        times = self._column(column)
        if not pa.types.is_timestamp(times.type) or times.null_count:
            raise InputError(f"each step of a series has its time, in {column!r}", f"the column holds {times.type}, "
                             f"{times.null_count:,} of them missing", "give the scored file as it was written")
        return times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64()).to_numpy()

    def amounts(self, column: str) -> np.ndarray:
        """Numbers as float64, NaN where missing."""
        return self._cast(column, pa.float64(), "number").to_numpy(zero_copy_only=False)

    def _column(self, name: str) -> pa.Array:
        return plain(self._table[name].combine_chunks())

    def _cast(self, name: str, target: pa.DataType, kind: str) -> pa.Array:
        column = self._column(name)
        try:
            values, bad = cast_cells(column, target)
        except TypeError as error:
            raise InputError(f"each value of {name!r} is a {kind}", str(error), "name another column") from error
        if bad.any():
            raise InputError(f"each value of {name!r} is a {kind}", f"{int(bad.sum()):,} are not, such as "
                             f"{column[int(np.argmax(bad))].as_py()!r}", "correct them, or name another column")
        return values


def read_labelled(scored: Path, labels: Path | None, label: str, key: str | None, more: Sequence[str]) -> LabelledRows:
    """Rows of a scored file with their label and the columns `more`.

    With a file of labels, the label and whatever column the scored file lacks come from there, found by key.
    Raises InputError for a column that neither has, UsageError if the key is not clear.
    """
    with reading(str(scored), "a scored file"):
        names = pq.read_schema(scored).names
    if lacking := sorted(set(FROM_SCORING) - set(names)):
        raise InputError("a scored file has the columns score and alert", f"{scored} lacks {lacking}",
                         "give a file that `anomaly-cl score` wrote")
    known = None if labels is None else read_table(str(labels))
    wanted = dict.fromkeys([label, *more])
    names_of_labels = [] if known is None else known.column_names
    of_labels = [] if known is None else [name for name in wanted if name == label or name not in names]
    for name in wanted:
        _require(name, label, names_of_labels if name in of_labels else names, names)
    by = [] if known is None else [_key(names, names_of_labels, label, more, key)]
    with reading(str(scored), "a scored file"):
        own = dict.fromkeys([*FROM_SCORING, *by, *(name for name in wanted if name not in of_labels)])
        table = pq.read_table(scored, columns=list(own))
    if known is not None:
        for name, column in zip(of_labels, _found_by_key(table, known, by[0], of_labels), strict=True):
            table = table.append_column(name, column)
    return LabelledRows(table, label)


def _require(name: str, label: str, present: Sequence[str], scored: Sequence[str]) -> None:
    if name in present:
        return
    if present is scored:
        raise InputError(f"the scored file must have the {'label column' if name == label else 'column'} {name!r}",
                         f"it has {scored}", f"score again with --keep {name}, or give --labels FILE")
    if name == label:
        raise InputError(f"the file of labels must have the column {name!r}", f"it has {present}",
                         "correct --label or --labels")
    raise InputError(f"the scored file or the file of labels must have the column {name!r}",
                     f"they have {scored} and {present}", f"correct the name, or score again with --keep {name}")


def _key(
    scored: Sequence[str], labels: Sequence[str], label: str, more: Sequence[str], key: str | None
) -> str:
    """The column to join by: the one that is given, or the only shared one that is not asked for."""
    shared = [name for name in scored if name in labels and name != label]
    shared = [name for name in shared if name not in more] or shared
    if key is None and len(shared) != 1:
        raise UsageError("the files must share one column to be joined by", f"they share {shared}", "give --key COLUMN")
    by = key or shared[0]
    if by not in scored or by not in labels:
        raise UsageError("--key names a column of both files", f"{by!r} is not; they share {shared}",
                         "choose one of them")
    return by


def _found_by_key(scored: pa.Table, labels: pa.Table, by: str, names: Sequence[str]) -> list[pa.ChunkedArray]:
    """Columns of the file of labels for each scored row, null where it lacks the key; every scored row stays."""
    keys, own = plain(labels[by].combine_chunks()), plain(scored[by].combine_chunks())
    if len(keys.unique()) < len(keys):
        raise InputError(f"each {by} has one label", "some have several lines", "keep one line for each key")
    try:
        keys = keys.cast(own.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{by} is of one type in both files", f"{error}", "write it alike in both") from error
    at = pc.index_in(own, keys, skip_nulls=True)
    return [labels[name].take(at) for name in names]


def _labels(column: pa.Array, label: str) -> pa.Array:
    """Labels as numbers, null where unknown; true and false, also as text, count as 1 and 0."""
    try:
        return null_nan((column.cast(pa.bool_()) if pa.types.is_string(column.type) else column).cast(pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"labels in {label!r} are 0 and 1, or true and false", str(error), "recode them") from error
