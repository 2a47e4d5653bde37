"""CSV for people: text that a spreadsheet would run as a formula is written so that it stays text."""

from __future__ import annotations

import io
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

# An apostrophe before a formula makes it text; one more before a text that looks like that keeps both apart.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_cell(value: Any) -> Any:
    """A text as a cell of a CSV file for people; numbers, also those written as text, and all else stay as they are.

    Text that begins with = + - @, a tab or a carriage return gets an apostrophe before it, by which spreadsheets know
    text (https://owasp.org/www-community/attacks/CSV_Injection).

    >>> [as_cell(value) for value in ("=1+1", "-5", "-5+A1", "M-1", -5, None)]
    ["'=1+1", '-5', "'-5+A1", 'M-1', -5, None]
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def from_cell(text: str) -> str:
    """The text that `as_cell` was given.

    >>> from_cell("'=1+1"), from_cell("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if _FORMULA.match(text) and text.startswith("'") else text


def from_cells(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """`from_cell` of each of an array of texts."""
    return pc.replace_substring_regex(texts, r"^'('*[=+\-@\t\r])", r"\1")


def csv_of(table: pa.Table) -> str:
    """A table as CSV (RFC 4180, times in ISO 8601) whose texts and column names are as `as_cell` writes them."""
    columns = [pa.array([as_cell(value) for value in column.to_pylist()], column.type)
               if pa.types.is_string(column.type) else column for column in table.columns]
    written = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns, [as_cell(name) for name in table.column_names]), written)
    return written.getvalue().decode()
