"""Groups of normal behaviour in words: how many rows, what is typical of them, and where they differ from all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.reasons import shown
from anomaly_cl.features.table_encoder import TableEncoder

SPACE = "rank"  # bounded steps: one huge value does not make a group differ
MOST_DIFFERENCES = 3
LEAST_DIFFERENCE = 0.25  # of the usual distance of two rows in a column, below which a group does not differ in it


def describe_groups(groups: np.ndarray, n_groups: int, table: pa.Table, encoder: TableEncoder) -> pd.DataFrame:
    """One line for each group that any of the table's rows is in, by `groups` (rows,) int, the largest first.

    Columns: `group`, its number; `size` and `share` of the rows; `differs_in`, the columns, at most three, in which the
    group's mean lies farthest from that of all rows (in normal scores of ranks) and its typical value is another;
    `description`, what is typical there, beside what is usual for all rows; then for every learned column
    `typical_<name>` of the group: the median of numbers, the most frequent category or text, the usual hour; None
    where nothing is (vectors).
    """
    usual, spaces = typical_values(table, encoder), encoder.transform(table).spaces[SPACE].astype(np.float64)
    centre = spaces.mean(axis=0)
    sizes = np.bincount(groups, minlength=n_groups)
    lines = []
    for group in np.argsort(-sizes, kind="stable")[:np.count_nonzero(sizes)].tolist():
        inside = groups == group
        typical = typical_values(table.filter(pa.array(inside)), encoder)
        apart = _by_column(np.square(spaces[inside].mean(axis=0) - centre), encoder.column_of_)
        strongest = [encoder.learned_names_[column] for column in np.argsort(-apart, kind="stable").tolist()
                     if apart[column] > LEAST_DIFFERENCE**2 * 2]  # two rows are 2 apart in square
        names = [name for name in strongest if typical[name] != usual[name]][:MOST_DIFFERENCES]
        lines.append({
            "group": group, "size": int(sizes[group]), "share": sizes[group] / len(groups), "differs_in": names,
            "description": "; ".join(f"{name} {_said(typical[name])} (usually {_said(usual[name])})" for name in names)
            or "like all rows",
            **{f"typical_{name}": value for name, value in typical.items()},
        })
    return pd.DataFrame(lines)


def typical_values(table: pa.Table, encoder: TableEncoder) -> dict[str, Any]:
    """For each learned column what is typical of these rows: as `TableEncoder.typical`, and the most frequent text."""
    typical = TableEncoder(encoder.schema).fit(table).typical()
    for column in encoder.schema.learned:
        if column.kind == "text":
            typical[column.name] = _most_frequent(table.column(column.name))
    return typical


def _most_frequent(texts: pa.ChunkedArray) -> str | None:
    counts = pc.value_counts(texts.drop_null()).to_pylist()
    return min(counts, key=lambda each: (-each["counts"], each["values"]))["values"] if counts else None


def _by_column(values: np.ndarray, column_of: np.ndarray) -> np.ndarray:
    return np.bincount(column_of, weights=values)


def _said(value: Any) -> str:
    text = shown(value)
    return "missing" if text is None else text
