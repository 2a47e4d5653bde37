"""CSV, TSV and their like: encoding, separator and header sniffed, every record kept or named as broken."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.csv

from anomaly_cl.errors import InputError
from anomaly_cl.table.conform import Rejected, raw_text
from anomaly_cl.table.encoding import Utf8Stream, decode, original_bytes, restore_broken, sniff_encoding
from anomaly_cl.table.raw import Raw, no_rows, reading

_COMPRESSION = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
KIND = "delimited text"
_SEPARATORS = ",;\t|"
_NO_SEPARATOR = "\x1f"  # of a file with one column, whose text may hold any of the others
_SAMPLE_BYTES = 1 << 20
_SAMPLE_RECORDS = 200
_BLOCK_BYTES = 4 << 20  # also the longest record that can be read
_OTHER_TEXT = re.compile(r"\s*(?:[{<]|\[\s*[\[{\d\"])")  # JSON, HTML, XML


@dataclass(frozen=True)
class DelimitedFile:
    """A text file of records: how it is written, and the names in its first record."""

    file: str
    compression: str | None
    encoding: str
    separator: str
    names: tuple[str, ...]

    @cached_property
    def columns(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.names])

    def read(self, batch_rows: int) -> Iterator[Raw]:
        """Records as text columns; a column is binary in a batch where some of its bytes have no meaning."""
        broken: deque[Rejected] = deque()
        position, header, last = 0, 1, None
        with reading(self.file, KIND), _open(self.file, self.compression) as file:
            stream = Utf8Stream(file, self.encoding)
            for block in self._blocks(stream, broken):
                block, header = block.slice(header), 0
                for start in range(0, block.num_rows, batch_rows):
                    rows = block.slice(start, batch_rows)
                    columns = [restore_broken(column) if stream.has_broken else column for column in rows.columns]
                    numbers, before = _numbered(position, rows.num_rows, broken)
                    position = int(numbers[-1]) + 1
                    yield Raw(pa.RecordBatch.from_arrays(columns, names=list(self.names)), numbers, before)
                    last = rows.column(-1)[-1].as_py()
            if last and "\n" in last and not broken and not stream.tail.rstrip(b"\r\n").endswith(b'"'):
                raise _open_quote(self.file, position - 1)
        yield Raw(no_rows(self.columns), np.empty(0, dtype=np.int64), list(broken))

    def _blocks(self, stream: Utf8Stream, broken: deque[Rejected]) -> Iterator[pa.RecordBatch]:
        """Record batches of text, the header being the first record; broken records are appended on the way."""
        swallowed: list[InputError] = []

        def keep(row: pa.csv.InvalidRow) -> str:
            number, text = row.number - 2, raw_text(original_bytes(row.text))
            if "\n" in row.text and row.text.count('"') % 2:
                swallowed.append(_open_quote(self.file, number))
            rule = f"{row.actual_columns} fields where {row.expected_columns} are expected"
            broken.append(Rejected(number, None, rule, text, self.file))
            return "skip"

        names = [f"f{i}" for i in range(len(self.names))]
        with pa.csv.open_csv(
            stream,
            # One thread: only then does a broken row know its number.
            pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, autogenerate_column_names=True),
            pa.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True, invalid_row_handler=keep,
                                ignore_empty_lines=len(names) > 1),  # with one column an empty line is a missing value
            pa.csv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(names, pa.string())),
        ) as batches:
            for batch in batches:
                yield batch
                if swallowed:
                    raise swallowed[0]
        if swallowed:
            raise swallowed[0]


def open_delimited(file: str) -> DelimitedFile:
    """Sniff a text file. Raises InputError when it is empty, no text, or has no header."""
    with open(file, "rb") as opened:
        magic = opened.read(4)
    compression = next((name for mark, name in _COMPRESSION.items() if magic.startswith(mark)), None)
    with reading(file, KIND), _open(file, compression) as stream:
        sample = stream.read(_SAMPLE_BYTES)
    encoding = sniff_encoding(sample)
    if encoding is None:
        raise InputError(f"{file} must be delimited text", f"it begins with {sample[:8]!r}",
                         "give a CSV, Parquet or Arrow file, named by its kind")
    text, _ = decode(sample, encoding)
    if not text.strip():
        raise InputError(f"{file} must have a header and rows", "it is empty", "give a file that has rows")
    if _OTHER_TEXT.match(text):
        raise InputError(f"{file} must be delimited text", f"it begins with {text.lstrip()[:20]!r}",
                         "give a CSV, Parquet or Arrow file")
    if len(sample) == _SAMPLE_BYTES:
        text = text[:text.rfind("\n")]  # the last record of the sample is cut
    separator = _sniff_separator(text)
    return DelimitedFile(file, compression, encoding, separator, _names(file, _records(text, separator)[0]))


def _open(file: str, compression: str | None) -> pa.NativeFile:
    return pa.input_stream(file, compression=compression)


def _sniff_separator(text: str) -> str:
    """The separator by which most records have as many fields as the header; the one with most fields, if equal."""
    best, separator = (0.0, 0), _NO_SEPARATOR
    for candidate in _SEPARATORS:
        widths = [len(record) for record in _records(text, candidate)]
        if widths[0] > 1:
            score = widths.count(widths[0]) / len(widths), widths[0]
            if score > best:
                best, separator = score, candidate
    return separator


def _records(text: str, separator: str) -> list[list[str]]:
    """The first records of a sample."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if record:
                records.append(record)
            if len(records) == _SAMPLE_RECORDS:
                break
    except csv.Error:  # a field beyond the csv module's limit: the records before it will do
        pass
    return records or [[text]]


def _names(file: str, header: list[str]) -> tuple[str, ...]:
    names = [raw_text(original_bytes(name)).strip() for name in header]
    if all(_is_number(name) for name in names) and names != [str(i) for i in range(len(names))]:
        raise InputError(f"the first line of {file} must name the columns", f"it is {names[:5]}", "add a header line")
    return tuple(name or f"Unnamed: {position}" for position, name in enumerate(names))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbered(position: int, count: int, broken: deque[Rejected]) -> tuple[np.ndarray, list[Rejected]]:
    """Numbers of the next `count` good records from `position` on, and the broken ones before the last of them."""
    taken: list[Rejected] = []
    while broken and broken[0].row_number < position + count + len(taken):
        taken.append(broken.popleft())
    holes = [row.row_number - position for row in taken]
    return np.delete(np.arange(position, position + count + len(taken)), holes), taken


def _open_quote(file: str, number: int) -> InputError:
    # without its text: which columns are private is not known here
    return InputError(f"every quote in {file} must be closed", f"row {number} opens one that is not",
                      "close the quote, or double it if it belongs to the value")
