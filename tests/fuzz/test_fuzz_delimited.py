"""CSV and its like: written wrongly, damaged, cut while packed, several together."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from tests.fuzz.damage import cut, damaged
from tests.fuzz.odd_text import written
from tests.fuzz.records import payments, read_whole, scored_or_rejected

PARTS = [0, 1]


@pytest.mark.parametrize("part", PARTS)
def test_text_written_wrongly_is_scored_or_refused(cases, detector, part):
    def act(rng, folder):
        found = written(rng)
        (folder / "input.csv").write_bytes(found.data)
        scored_or_rejected(detector, folder / "input.csv", found.rows, rng)

    cases.run("CSV written wrongly", 450, act)


@pytest.mark.parametrize("part", PARTS)
def test_damaged_text_is_scored_or_refused(cases, detector, part):
    whole = _csv(12)

    def act(rng, folder):
        data = damaged(whole if rng.random() < 0.5 else written(rng).data, rng)
        (folder / "input.csv").write_bytes(data)
        scored_or_rejected(detector, folder / "input.csv", rng=rng)

    cases.run("CSV damaged", 450, act)


def test_packed_text_that_is_cut_is_refused(cases, detector):
    whole = _csv(40)
    packed = {"input.csv.gz": gzip.compress(whole), "input.csv.zst": pa.compress(whole, "zstd", asbytes=True)}

    def act(rng, folder):
        name = str(rng.choice(list(packed)))
        data = cut(packed[name][:-1], rng) if rng.random() < 0.5 else damaged(packed[name], rng)
        (folder / name).write_bytes(data)
        scored_or_rejected(detector, folder / name, rng=rng)

    cases.run("CSV packed and damaged", 300, act)


def test_a_schema_is_inferred_of_text_written_wrongly_or_the_text_refused(cases):
    def act(rng, folder):
        found = written(rng)
        (folder / "input.csv").write_bytes(found.data if rng.random() < 0.7 else damaged(found.data, rng))
        read_whole(folder / "input.csv", None)

    cases.run("CSV, schema inferred", 120, act)


def test_several_texts_read_together_are_scored_or_refused(cases, detector):
    def act(rng, folder):
        inside = folder / "many"
        inside.mkdir(exist_ok=True)
        known = 0
        for name in ("a.csv", "b.csv"):
            found = written(rng) if rng.random() < 0.7 else None
            (inside / name).write_bytes(found.data if found else _csv(3))
            known = None if known is None or (found and found.rows is None) else known + (found.rows if found else 3)
        scored_or_rejected(detector, inside if rng.random() < 0.5 else [inside / "a.csv", inside / "b.csv"], known, rng)

    cases.run("CSV, several files", 100, act)


def _csv(n: int) -> bytes:
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in payments(n).to_pylist()]
    return "\n".join([",".join(payments(1).column_names), *lines, ""]).encode()
