"""Arrow files and streams: of columns of every type, damaged, with lengths that lie; several files together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz.damage import damaged, wrong_number
from tests.fuzz.odd_tables import as_arrow, odd_table
from tests.fuzz.records import payments, read_whole, scored_or_rejected

PARTS = [0, 1]
NAMES = ("input.arrow", "input.feather", "input.ipc", "input.arrows")


@pytest.mark.parametrize("part", PARTS)
def test_arrow_of_any_columns_is_scored_or_refused(cases, detector, part):
    def act(rng, folder):
        table = odd_table(rng)
        path = folder / str(rng.choice(NAMES))
        path.write_bytes(as_arrow(table, rng))
        scored_or_rejected(detector, path, table.num_rows, rng)

    cases.run("Arrow of odd columns", 200, act)


@pytest.mark.parametrize("part", PARTS)
def test_damaged_arrow_is_scored_or_refused(cases, detector, part):
    whole = [as_arrow(payments(20), np.random.default_rng(seed)) for seed in range(6)]

    def act(rng, folder):
        data = damaged(whole[rng.integers(6)] if rng.random() < 0.6 else as_arrow(odd_table(rng), rng), rng)
        (folder / "input.arrow").write_bytes(data)
        scored_or_rejected(detector, folder / "input.arrow", rng=rng)

    cases.run("Arrow damaged", 600, act)


def test_arrow_whose_lengths_lie_is_scored_or_refused(cases, detector):
    whole = [as_arrow(payments(20), np.random.default_rng(seed)) for seed in range(6)]

    def act(rng, folder):
        (folder / "input.arrow").write_bytes(wrong_number(whole[rng.integers(6)], rng))
        scored_or_rejected(detector, folder / "input.arrow", rng=rng)

    cases.run("Arrow with wrong lengths", 500, act)


def test_a_schema_is_inferred_of_arrow_of_any_columns_or_the_file_refused(cases):
    def act(rng, folder):
        table = odd_table(rng)
        data = as_arrow(table, rng)
        sure = rng.random() < 0.7
        (folder / "input.arrow").write_bytes(data if sure else damaged(data, rng))
        read_whole(folder / "input.arrow", None, table.num_rows if sure else None)

    cases.run("Arrow, schema inferred", 80, act)


def test_files_of_different_columns_read_together_are_scored_or_refused(cases, detector):
    def act(rng, folder):
        tables = [odd_table(rng) if rng.random() < 0.6 else payments(3) for _ in range(2)]
        paths = [folder / f"{i}.arrow" for i in range(2)]
        for path, table in zip(paths, tables, strict=True):
            path.write_bytes(as_arrow(table, rng))
        rows = sum(table.num_rows for table in tables)
        if rng.random() < 0.3:
            read_whole(paths, None, rows)
        else:
            scored_or_rejected(detector, paths, rows, rng)

    cases.run("Arrow, several files", 100, act)
