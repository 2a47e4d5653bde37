"""Records of files, found by key or row number and explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.batch.events import file_schema, require_history, require_readable, scorable
from anomaly_cl.detectors.explained_rows import UNUSUAL
from anomaly_cl.detectors.explanation import Explanation, plain
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import naming_columns
from anomaly_cl.detectors.side_table import some_of
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role
from anomaly_cl.table.read import open_rows


@dataclass(frozen=True)
class Found:
    """An explained record: its number in the input, its cells {column: value}, and the names of those that name it."""

    row_number: int
    record: dict[str, Any]
    naming: tuple[str, ...]
    explanation: Explanation

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"row_number": self.row_number, "record": plain(self.record)} | self.explanation.to_dict()


def explain_file(
    detector: Detector, source: Any, *, keys: Sequence[str] = (), row_numbers: Sequence[int] = (),
    where: str | None = None, history: Any = None, history_where: str | None = None,
    verdicts: str | Path | pa.Table | None = None, k: int = 5, level: float = UNUSUAL,
) -> list[Found]:
    """The records with these keys or row numbers, explained, in the order of the input.

    source, where, history, history_where, verdicts: as of `score_file`; the whole input is past of the records. Row
    numbers are those of a scored file. Raises InputError if a key or number is not among the rows that can be scored,
    UsageError where none is given or there is no key column.
    """
    require_history(history, history_where)
    require_readable(detector, history=history, verdicts=verdicts)
    schema = file_schema(detector)
    key = schema.only(Role.KEY)
    _require_some(keys, row_numbers, key)
    told = None if verdicts is None else VerdictTable.read(verdicts, schema)
    before = open_rows(history, schema, where=history_where) if history else None
    parts: list[pa.Table] = []
    numbers: list[np.ndarray] = []
    with scorable(detector, open_rows(source, schema, where=where), before, verdicts=told) as rows:
        for batch in rows:
            chosen = np.isin(batch.row_numbers, row_numbers)
            if keys:
                texts = pc.cast(batch.rows.column(str(key)), pa.string())
                chosen |= pc.fill_null(pc.is_in(texts, pa.array(keys, pa.string())), False).to_numpy(False)
            parts.append(pa.Table.from_batches([batch.rows]).filter(pa.array(chosen)))
            numbers.append(batch.row_numbers[chosen])
    table = pa.concat_tables(parts) if parts else None
    found = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    _require_all(keys, row_numbers, key, table, found)
    if table is None:
        return []
    explained = detector.explain_table(table, k=k, level=level)
    shown, naming = [column.name for column in schema.required], tuple(naming_columns(schema))
    return [Found(int(number), record, naming, each)
            for number, record, each in zip(found, table.select(shown).to_pylist(), explained, strict=True)]


def _require_some(keys: Sequence[str], row_numbers: Sequence[int], key: str | None) -> None:
    if not keys and not row_numbers:
        raise UsageError("records to explain are named by key or row number", "none is given",
                         "give --key KEY or --row N")
    if keys and key is None:
        raise UsageError("records are found by the column of role key", "the model's schema has none",
                         "name them by --row N, as in the scored file")


def _require_all(
    keys: Sequence[str], row_numbers: Sequence[int], key: str | None, table: pa.Table | None, found: np.ndarray
) -> None:
    """Raises InputError for a key or a number that was not found."""
    known = set() if table is None or not keys else set(pc.cast(table.column(str(key)), pa.string()).to_pylist())
    lacking = [name for name in keys if name not in known]
    remedy = "check it, the filter, and whether the row was rejected: anomaly-cl score tells"
    if lacking:
        raise InputError(f"each key is that of a row that can be scored, in the column {key!r}",
                         f"not found: {some_of(pa.array(lacking, pa.string()))}", remedy)
    if missing := sorted(set(row_numbers) - set(found.tolist())):
        raise InputError("each row number is that of a row that can be scored", f"not found: {missing[:5]}", remedy)
