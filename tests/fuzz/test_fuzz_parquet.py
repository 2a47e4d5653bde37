"""Parquet files: of columns of every type, damaged, with another footer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.fuzz.damage import damaged, flipped
from tests.fuzz.odd_tables import as_parquet, odd_table
from tests.fuzz.records import payments, read_whole, scored_or_rejected

PARTS = [0, 1]


@pytest.mark.parametrize("part", PARTS)
def test_parquet_of_any_columns_is_scored_or_refused(cases, detector, part):
    def act(rng, folder):
        table = odd_table(rng)
        (folder / "input.parquet").write_bytes(_written(table, rng))
        scored_or_rejected(detector, folder / "input.parquet", table.num_rows, rng)

    cases.run("Parquet of odd columns", 200, act)


@pytest.mark.parametrize("part", PARTS)
def test_damaged_parquet_is_scored_or_refused(cases, detector, part):
    whole = as_parquet(payments(20), _plain_rng())

    def act(rng, folder):
        data = damaged(whole if rng.random() < 0.6 else _written(odd_table(rng), rng), rng)
        (folder / "input.parquet").write_bytes(data)
        scored_or_rejected(detector, folder / "input.parquet", rng=rng)

    cases.run("Parquet damaged", 600, act)


def test_parquet_whose_footer_is_wrong_is_scored_or_refused(cases, detector):
    whole = as_parquet(payments(20), _plain_rng())

    def act(rng, folder):
        length = int.from_bytes(whole[-8:-4], "little")
        start = len(whole) - 8 - length
        draw = rng.random()
        if draw < 0.2:
            length = int(rng.integers(1 << 32))
            data = whole[:-8] + length.to_bytes(4, "little") + whole[-4:]
        elif draw < 0.3:
            other = as_parquet(odd_table(rng).slice(0, 3), _plain_rng()) if rng.random() < 0.5 else whole[::-1]
            data = whole[:start] + other[-(8 + min(len(other) - 8, length)):]
        else:
            data = whole[:start] + flipped(whole[start:-8], rng) + whole[-8:]
        (folder / "input.parquet").write_bytes(data)
        scored_or_rejected(detector, folder / "input.parquet", rng=rng)

    cases.run("Parquet with a wrong footer", 500, act)


def test_a_schema_is_inferred_of_parquet_of_any_columns_or_the_file_refused(cases):
    def act(rng, folder):
        table = odd_table(rng)
        (folder / "input.parquet").write_bytes(_written(table, rng))
        read_whole(folder / "input.parquet", None, table.num_rows)

    cases.run("Parquet, schema inferred", 80, act)


def _written(table: pa.Table, rng: np.random.Generator) -> bytes:
    """The table as Parquet, without the columns that it cannot hold."""
    try:
        return as_parquet(table, rng)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        kept = [i for i in range(table.num_columns) if _fits(table.select([i]))]
        return as_parquet(table.select(kept), rng)


def _fits(table: pa.Table) -> bool:
    try:
        as_parquet(table, _plain_rng())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def _plain_rng() -> np.random.Generator:
    return np.random.default_rng(0)
