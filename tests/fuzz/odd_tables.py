"""Arrow tables with columns of every type, in place of those that the model knows and beside them."""

from __future__ import annotations

import decimal
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.odd_text import CELLS, NAMES
from tests.fuzz.records import payments

FLOATS = (0.0, -0.0, 1.5, 1e308, -1e308, 5e-324, 1e-300, float("nan"), float("inf"), float("-inf"), 2.0**53 + 2, 3e38)
INTEGERS = (0, 1, -1, 127, -128, 2**31 - 1, -2**31, 2**53 + 1, 2**63 - 1, -2**63)
# microseconds: in Berlin's gap and doubled hour of 2026, before 1970, the ends of the calendar
INSTANTS = (1_774_747_800_000_000, 1_792_891_800_000_000, -1, 0, 253_402_300_799_000_000, -62_135_596_800_000_000,
            1_772_323_200_000_000, 2**63 - 1, -2**63 + 1)
TYPES = (
    "float64", "float64", "float32", "float16", "int8", "int64", "int64", "uint8", "uint64", "bool", "null", "string",
    "string",
    "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_binary", "dictionary",
    "dictionary_of_numbers",
    "decimal128", "decimal256", "decimal_whole", "date32", "date64", "timestamp_s", "timestamp_us", "timestamp_ns",
    "zoned", "zoned_far",
    "time64", "duration", "interval", "list", "large_list", "fixed_list", "list_view", "list_of_strings", "struct",
    "map", "run_end",
    "union", "extension", "deep",
)


def odd_table(rng: np.random.Generator) -> pa.Table:
    """Payments of any number of rows, of which columns are of another type, odd, missing, doubled or more."""
    n = int(rng.choice([0, 1, 1, 2, 3, 9, 20]))
    table = payments(n, int(rng.integers(1 << 30)))
    columns, names = list(table.columns), list(table.column_names)
    for _ in range(int(rng.integers(1, 4))):
        what, place = rng.integers(8), int(rng.integers(len(names)))
        made = odd_column(str(rng.choice(TYPES)), n, rng)
        if what <= 3:
            columns[place] = made
        elif what <= 5:
            columns.append(made)
            names.append(str(rng.choice(NAMES)))
        elif what == 6:
            names[place] = str(rng.choice(NAMES))
        elif len(names) > 1:
            del columns[place], names[place]
    if rng.random() < 0.002:
        columns += [pa.array(np.zeros(n))] * 10_000
        names += [f"c{i}" for i in range(10_000)]
    return pa.table(columns, names)


def odd_column(kind: str, n: int, rng: np.random.Generator) -> pa.Array:
    """An array (n,) of this type, some of whose values are odd and some missing."""
    def some(values: Any) -> list[Any]:
        return [None if rng.random() < missing else values[rng.integers(len(values))] for _ in range(n)]

    missing = float(rng.choice([0, 0, 0.2, 1]))
    if kind in _MADE:
        return _MADE[kind](some, n)
    if kind in ("float64", "float32", "float16"):
        with np.errstate(over="ignore"):
            return pa.array([None if v is None else np.dtype(kind).type(v) for v in some(FLOATS)], kind)
    if kind.startswith(("int", "uint")):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        return pa.array(some([v for v in INTEGERS if low <= v <= high]), kind)
    return pa.array(some(CELLS), kind)


def _bytes(some: Any) -> list[bytes | None]:
    return some([cell.encode() for cell in CELLS] + [b"\xff\xfe", b"\xc3", b"\0"])


def _decimal(some: Any, kind: pa.DataType, scale: int) -> pa.Array:
    places = decimal.Context(prec=80)
    numbers = [decimal.Decimal(text) for text in ("0", "1.25", "-7", "99999999999999999999999999", "0.01")]
    return pa.array(some([places.quantize(number, decimal.Decimal(1).scaleb(-scale)) for number in numbers]), kind)


def _times(some: Any, unit: str, zone: str | None = None) -> pa.Array:
    kept = [v for v in INSTANTS if unit == "us" or abs(v) < 9_000_000_000_000_000]
    parts = {"s": 1_000_000, "us": 1}.get(unit)
    values = [None if v is None else v * 1_000 if parts is None else v // parts for v in some(kept)]
    return pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))


def _union(some: Any, n: int) -> pa.Array:
    kinds = pa.array(np.arange(n) % 2, pa.int8())
    return pa.UnionArray.from_sparse(kinds,
        [pa.array(some([1, 2]), pa.int64()), pa.array(some(["a", "b"]), pa.string())])


def _run_end(some: Any, n: int) -> pa.Array:
    if not n:
        return pa.array([], pa.run_end_encoded(pa.int32(), pa.float64()))
    return pa.RunEndEncodedArray.from_arrays(pa.array(np.arange(1, n + 1), pa.int32()),
        pa.array(some(FLOATS), pa.float64()))


def _deep(some: Any, n: int) -> pa.Array:
    kind: pa.DataType = pa.int64()
    for _ in range(60):
        kind = pa.list_(kind)
    return pa.nulls(n, kind)


_PAIRS = ([1.0, 2.0], [float("nan"), 1.0], [None, 1.0], [1e308, -1e308], [float("inf"), 0.0])
_MADE: dict[str, Any] = {
    "null": lambda some, n: pa.nulls(n),
    "bool": lambda some, n: pa.array(some([True, False]), pa.bool_()),
    "binary": lambda some, n: pa.array(_bytes(some), pa.binary()),
    "large_binary": lambda some, n: pa.array(_bytes(some), pa.large_binary()),
    "binary_view": lambda some, n: pa.array(_bytes(some), pa.binary_view()),
    "fixed_binary": lambda some, n: pa.array(some([b"abc", b"\xff\0\n"]), pa.binary(3)),
    "dictionary": lambda some, n: pa.array(some(CELLS), pa.string()).dictionary_encode(),
    "dictionary_of_numbers": lambda some, n: pa.array(some(FLOATS), pa.float64()).dictionary_encode(),
    "decimal128": lambda some, n: _decimal(some, pa.decimal128(38, 2), 2),
    "decimal256": lambda some, n: _decimal(some, pa.decimal256(60, 10), 10),
    "decimal_whole": lambda some, n: _decimal(some, pa.decimal128(38, 0), 0),
    "date32": lambda some,
    n: pa.array(some([0, 20_000, -719_162, 2_932_896, 2**31 - 1, -2**31]), pa.int32()).view(pa.date32()),
    "date64": lambda some, n: pa.array(some([0, 86_400_000, 253_402_214_400_000]), pa.int64()).view(pa.date64()),
    "timestamp_s": lambda some, n: _times(some, "s"),
    "timestamp_us": lambda some, n: _times(some, "us"),
    "timestamp_ns": lambda some, n: _times(some, "ns"),
    "zoned": lambda some, n: _times(some, "us", "Europe/Berlin"),
    "zoned_far": lambda some, n: _times(some, "ns", "+14:00"),
    "time64": lambda some, n: pa.array(some([0, 1, 86_399_999_999]), pa.int64()).view(pa.time64("us")),
    "duration": lambda some, n: pa.array(some([0, 1, -(2**62)]), pa.int64()).view(pa.duration("us")),
    "interval": lambda some, n: pa.array(some([pa.MonthDayNano([1, 2, 3])]), pa.month_day_nano_interval()),
    "list": lambda some, n: pa.array(some([[], [1.0], *_PAIRS]), pa.list_(pa.float64())),
    "large_list": lambda some, n: pa.array(some(_PAIRS), pa.large_list(pa.float64())),
    "fixed_list": lambda some, n: pa.array(some(_PAIRS), pa.list_(pa.float64(), 2)),
    "list_view": lambda some, n: pa.array(some(_PAIRS), pa.list_view(pa.float64())),
    "list_of_strings": lambda some, n: pa.array(some([["a"], [], [None]]), pa.list_(pa.string_view())),
    "struct": lambda some, n: pa.array(some([{"a": 1, "b": "x"}, {"a": None, "b": None}]),
                                       pa.struct([("a", pa.int64()), ("b", pa.large_string())])),
    "map": lambda some, n: pa.array(some([[("k", 1)], []]), pa.map_(pa.string(), pa.int64())),
    "run_end": _run_end,
    "union": _union,
    "extension": lambda some, n: pa.array(some([b"0123456789abcdef"]), pa.uuid()),
    "deep": _deep,
}


def as_parquet(table: pa.Table, rng: np.random.Generator) -> bytes:
    """The table as a Parquet file of any settings; raises pa.ArrowNotImplementedError for a type it cannot hold."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=str(rng.choice(["none", "snappy", "zstd", "gzip"])),
                   row_group_size=int(rng.choice([1, 3, 1_000])), use_dictionary=bool(rng.random() < 0.5),
                   version=str(rng.choice(["1.0", "2.6"])), data_page_version=str(rng.choice(["1.0", "2.0"])),
                   write_statistics=bool(rng.random() < 0.5), store_schema=bool(rng.random() < 0.7))
    return sink.getvalue()


def as_arrow(table: pa.Table, rng: np.random.Generator) -> bytes:
    """The table as an Arrow file or stream, compressed or not."""
    sink = io.BytesIO()
    compression = rng.choice(["lz4", "zstd", "", ""])
    options = pa.ipc.IpcWriteOptions(compression=str(compression) or None)
    opener = pa.ipc.new_file if rng.random() < 0.6 else pa.ipc.new_stream
    with opener(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=int(rng.choice([2, 1_000])))
    return sink.getvalue()
