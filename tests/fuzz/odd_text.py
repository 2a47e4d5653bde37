"""Delimited text as people and programs write it wrongly."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tests.fuzz.records import payments

CELLS = (
    "1e308", "-1e309", "1e400", "5e-324", "NaN", "nan", "inf", "-Infinity", "+inf", "", " ", "null", "NA", "0x1F",
    "1_000",
    "1,5", "1.234.567,89", "१२", "٣", "½", "1e", "--5", "+5", "007", "9223372036854775808", "18446744073709551616",
    "9" * 400, "0." + "0" * 400 + "1", "true", "0", "-0.0", "2026-03-29 02:30:00", "2026-10-25T02:30:00+02:00",
    "2026-03-29T02:30:00 Europe/Berlin", "24:00", "2026-02-30", "2026-13-01", "0000-00-00", "9999-12-31 23:59:59",
    "292278-01-01", "1677-09-21 00:12:43", "0001-01-01", "31/12/2026", "12/31/26 13:00 PM", "2026-03-01T00:00:60",
    "2026-03-01T00:00:00.123456789Z", "1772323200", "-5", "=1+1", "@SUM(A1)", "'tis", "é", "e\u0301", "\u200f\u202e",
    "\ufeff",
    "\U0001f600", "\U0010fe41", "\ufffe", "Ünïcödé", "\x7f", "\x1b[31m", "[bold]x[/bold]", "a\tb", "{}", "[1, 2]",
    "'; DROP TABLE rows",
)
NAMES = (
    "select", "from", "order", "group", "where", "rows", "rowid", "NULL", "a b", " id", "id ", "ID", 'am"ount', "a'b",
    "a;b",
    "line\nbreak", "e\u0301", "é", "\U0001f600", "\u202eid", "", "amount", "x" * 3_000, "1", "3.5", "score", "alert",
    "p_value",
    "row_number", "model_id", "[red]x", "$array", "a.b", "a\\b", "%s", "{0}", "\ufeffid", "is_fraud", "customer_id",
    "*",
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1",
             "shift_jis", "koi8-r", "cp037")


@dataclass(frozen=True)
class Written:
    """A file's bytes, and how many records it has where that is sure."""

    data: bytes
    rows: int | None


def written(rng: np.random.Generator) -> Written:
    """Payments with odd cells, names, quotes, line ends, encodings and compression."""
    n = int(rng.choice([0, 1, 2, 5, 12, 30]))
    source = payments(n, int(rng.integers(1 << 30)))
    names = [str(name) for name in source.column_names]
    rows = [[_as_text(value) for value in row.values()] for row in source.to_pylist()]
    for _ in range(int(rng.integers(4))):
        _oddly(rows, names, rng)
    separator = str(rng.choice([",", ",", ";", "\t", "|", ":"]))
    ends = [str(rng.choice(["\n", "\r\n", "\r"]))] if rng.random() < 0.9 else ["\n", "\r\n", "\r"]
    quoting = rng.choice(["needed", "needed", "always", "never"])
    sure = quoting != "never" and separator != ":" and len(ends) == 1
    lines = [separator.join(_quoted(cell, separator, quoting) for cell in row) for row in [names, *rows]]
    if rng.random() < 0.15:
        sure = False
        _break_lines(lines, separator, rng)
    text = "".join(line + str(rng.choice(ends)) for line in lines)
    if rng.random() < 0.2:
        text = text.rstrip("\r\n")
    encoding = str(rng.choice(ENCODINGS))
    data = text.encode(encoding, "replace")
    if rng.random() < 0.05:  # one file put together from two of different encodings
        half = len(lines) // 2
        data = "\n".join(lines[:half]).encode("utf-8") + b"\n" + "\n".join(lines[half:]).encode("cp1252", "replace")
        sure = False
    known = encoding in ("utf-8", "utf-8-sig") and sure and len(set(names)) == len(names)
    return Written(_packed(data, rng), n if known and _plain_names(names) else None)


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


def _plain_names(names: list[str]) -> bool:
    return {"id", "amount", "count", "country", "when", "note"} <= set(names) and names[0] == "id"


def _oddly(rows: list[list[str]], names: list[str], rng: np.random.Generator) -> None:
    """One oddity, in place."""
    what = rng.integers(9)
    column = int(rng.integers(len(names)))
    if what <= 3:
        for row in rows:
            if rng.random() < 0.3:
                row[int(rng.integers(len(row)))] = str(rng.choice(CELLS))
    elif what == 4:
        names[column] = str(rng.choice(NAMES))
    elif what == 5:
        _add_column(rows, names, str(rng.choice(NAMES)), rng)
    elif what == 6:
        del names[column]
        for row in rows:
            del row[column]
    elif what == 7 and rows:
        rows[int(rng.integers(len(rows)))][column] = _long_cell(rng)
    elif rng.random() < 0.01:
        names += [f"c{i}" for i in range(10_000)]
        for row in rows:
            row += ["1"] * 10_000
    if not names:
        _add_column(rows, names, "left", rng)


def _add_column(rows: list[list[str]], names: list[str], name: str, rng: np.random.Generator) -> None:
    names.append(name)
    for row in rows:
        row.append(str(rng.choice(CELLS)))


def _long_cell(rng: np.random.Generator) -> str:
    size = int(rng.choice([300, 5_000, 70_000, 200_000]))
    return str(rng.choice(["x", "9", "\n", '"', "é", " ", "\0", ",", "\U0001f600"])) * size


def _quoted(cell: str, separator: str, quoting: str) -> str:
    needs = any(mark in cell for mark in (separator, '"', "\n", "\r")) or quoting == "always"
    return '"' + cell.replace('"', '""') + '"' if needs and quoting != "never" else cell


def _break_lines(lines: list[str], separator: str, rng: np.random.Generator) -> None:
    """Ragged rows, quotes that are not closed, empty lines, comments, a second header, NUL."""
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(lines)))
        lines[place:place + 1] = (
            [lines[place] + separator], [lines[place].replace(separator, "", 1)], ['"' + lines[place]],
            [lines[place] + '"'], [lines[place], "", ""], ["# a comment", lines[place]], [lines[place], lines[0]],
            [lines[place][:len(lines[place]) // 2]], [lines[place] + "\0"], [lines[place].replace(separator, '"', 2)],
            [separator * 40], ["\\" + lines[place]],
        )[rng.integers(12)]


def _packed(data: bytes, rng: np.random.Generator) -> bytes:
    draw = rng.random()
    if draw < 0.06:
        return gzip.compress(data, 1)
    if draw < 0.08:  # two members, as `cat a.gz b.gz` makes
        return gzip.compress(data[:len(data) // 2], 1) + gzip.compress(data[len(data) // 2:], 1)
    return bytes(pa.compress(data, "zstd", asbytes=True)) if draw < 0.12 else data
