"""One batch of rows cast to a schema: the rows that fit it, and why the others do not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import InputError
from anomaly_cl.schema import NOT_READ, Column, Kind, Schema
from anomaly_cl.table.casting import cast_each, is_text, mask_of, plain
from anomaly_cl.table.cells import arrow_type, cast_cells

RAW_LENGTH = 500  # characters of a raw value that a rejected row keeps
PRIVATE = "(private)"  # in place of values that not everybody may see


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used: its 0-based number in the whole input, and the first column and rule it broke.

    `column` is None where the row could not be split into columns; `raw_value` is then the row itself.
    """

    row_number: int
    column: str | None
    rule: str
    raw_value: str
    file: str = ""


def conform(
    rows: pa.RecordBatch, schema: Schema, row_numbers: np.ndarray | None = None, *, file: str = ""
) -> tuple[pa.RecordBatch, np.ndarray, list[Rejected]]:
    """Rows cast to the schema, the numbers of the rows kept (int64), and one Rejected for each row that is not.

    Columns come in the schema's order, then those it does not know, unchanged (but for dictionaries and views, which
    are decoded). Labels and ignored columns may be absent, and never reject a row: a bad cell of theirs becomes null.
    Raises InputError when a required column is missing or of a type that cannot be read.
    """
    numbers = np.arange(rows.num_rows) if row_numbers is None else np.asarray(row_numbers, dtype=np.int64)
    require_columns(rows.schema.names, schema, file)
    columns: dict[str, pa.Array] = {}
    broken: dict[int, tuple[str, str]] = {}
    given = set(rows.schema.names)
    for column in (column for column in schema.columns if column.name in given):
        source = rows.column(column.name)
        columns[column.name], bad = _read(source, column)
        for rule, mask in () if column.role in NOT_READ else _broken_rules(source, columns[column.name], bad, column):
            for row in np.flatnonzero(mask).tolist():
                broken.setdefault(row, (column.name, rule))
    columns |= {name: plain(rows.column(name)) for name in rows.schema.names if name not in columns}
    rejected = [
        Rejected(int(numbers[row]), name, rule, raw_text(rows.column(name)[row].as_py()), file)
        for row, (name, rule) in sorted(broken.items())
    ]
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    if broken:
        kept = np.ones(rows.num_rows, dtype=bool)
        kept[list(broken)] = False
        batch, numbers = batch.filter(pa.array(kept)), numbers[kept]
    return batch, numbers, rejected


def require_columns(names: Iterable[str], schema: Schema, file: str = "") -> None:
    """Raise InputError unless every required column is among the names, and no name is given twice."""
    names = list(names)
    where = f" in {file}" if file else ""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"column names must be unique{where}", f"given twice: {_some(twice)}", "rename them")
    present = set(names)
    for column in schema.required:
        if column.name not in present:
            close = difflib.get_close_matches(column.name.lower(), [name.lower() for name in names], n=1)
            match = next((name for name in names if [name.lower()] == close), None)
            remedy = f"rename {match!r} to {column.name!r}, or edit the schema" if match else (
                "add the column, or set its role to ignore in the schema")
            raise InputError(f"column {column.name!r} is missing{where}", f"found {_some(names)}", remedy)


def raw_text(value: object) -> str:
    """A rejected value as text of bounded length; bytes that are no UTF-8 are written \\xff."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = "" if value is None else str(value)
    return text if len(text) <= RAW_LENGTH else text[:RAW_LENGTH] + "..."


def without_private(rejected: list[Rejected], schema: Schema) -> list[Rejected]:
    """The same without values of private columns; a row that could not be split may hold some."""
    private = {column.name for column in schema.columns if column.private}
    return [replace(row, raw_value=PRIVATE) if row.column in private or (private and row.column is None) else row
            for row in rejected]


def _read(source: pa.Array, column: Column) -> tuple[pa.Array, np.ndarray]:
    target = arrow_type(column)
    if target is None:
        return plain(source), np.zeros(len(source), dtype=bool)
    try:
        values, bad = cast_cells(source, target, column.date_order)
    except TypeError as error:
        if column.role in NOT_READ:
            return pa.nulls(len(source), target), np.zeros(len(source), dtype=bool)
        raise InputError(f"column {column.name!r} must be {column.kind.value} ({target})", f"it is {source.type}",
                         "correct the file, or the column's kind in the schema") from error
    if column.kind is Kind.CATEGORICAL and pa.types.is_string(target):
        values = _same_booleans(values)
    return values, bad


def _same_booleans(values: pa.Array) -> pa.Array:
    """True and TRUE of text files written as Arrow writes a boolean, so that both read alike."""
    lower = pc.utf8_lower(values)
    return pc.if_else(pc.is_in(lower, pa.array(["true", "false"])), lower, values)


def _broken_rules(
    source: pa.Array, values: pa.Array, bad: np.ndarray, column: Column
) -> Iterator[tuple[str, np.ndarray]]:
    """The rules of one column that some cells break, with a mask of those cells."""
    if bad.any():
        broken_text = bad & _not_utf8(source)
        yield "broken encoding", broken_text
        yield _type_rule(column), bad & ~broken_text
    if column.infinite == "reject":
        yield "infinite", _infinite(values)
    if column.missing == "reject":
        yield "missing", mask_of(values.is_null()) & ~bad


def _not_utf8(source: pa.Array) -> np.ndarray:
    source = plain(source)
    if not is_text(source.type):
        return np.zeros(len(source), dtype=bool)
    return cast_each(source, pa.string())[1]


def _type_rule(column: Column) -> str:
    if column.kind is Kind.VECTOR:
        return f"not a vector of {column.size} numbers"
    target = arrow_type(column)
    if pa.types.is_integer(target):
        return "not an integer"
    rules = {Kind.NUMERIC: "not a number", Kind.DATETIME: "not a date and time"}
    return rules.get(column.kind, f"not of type {target}")


def _infinite(values: pa.Array) -> np.ndarray:
    if pa.types.is_floating(values.type):
        return mask_of(pc.is_inf(values))
    if not pa.types.is_fixed_size_list(values.type):
        return np.zeros(len(values), dtype=bool)
    size = values.type.list_size
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False))
    mask = np.zeros(len(values), dtype=bool)
    mask[mask_of(values.is_valid())] = np.isinf(flat.reshape(-1, size)).any(axis=1)
    return mask


def _some(names: list[str], most: int = 40) -> str:
    return str(names) if len(names) <= most else f"{names[:most]} and {len(names) - most} more"
