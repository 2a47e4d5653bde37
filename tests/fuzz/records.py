"""Small tables of payments that the model knows, and what must hold of every input that is not refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.conform import Rejected
from anomaly_cl.table.read import Batch, open_rows

SCHEMA = Schema((
    Column("id", Kind.CATEGORICAL, "string", Role.KEY),
    Column("amount", Kind.NUMERIC, "double"),
    Column("count", Kind.NUMERIC, "int64", missing="reject"),
    Column("country", Kind.CATEGORICAL, "string"),
    Column("when", Kind.DATETIME, "timestamp[us]", Role.TIME),
    Column("note", Kind.TEXT, "string"),
    Column("place", Kind.VECTOR, "fixed_size_list<item: float>[2]", size=2, role=Role.IGNORE),
))
NOTES = ("paid in cash at the desk", "card payment online", "transfer asked for by phone", "refund of a fee")


def payments(n: int, seed: int = 0) -> pa.Table:
    """Rows (n,) with all columns that the schema needs."""
    rng = np.random.default_rng(seed)
    return pa.table({
        "id": [f"T{i:05d}" for i in range(n)],
        "amount": pa.array(np.round(rng.lognormal(3, 1, n), 2), mask=rng.random(n) < 0.05),
        "count": rng.poisson(3, n),
        "country": rng.choice(["DE", "FR", "IT"], n),
        "when": pa.array(np.datetime64("2026-03-01T00:00:00", "us") + np.arange(n) * np.timedelta64(2220, "s")),
        "note": rng.choice(NOTES, n),
    })


def read_whole(source: Any, schema: Schema | None, rows: int | None = None) -> tuple[list[Batch], pa.Schema]:
    """The accepted rows of an input, after checking that each of its rows is accepted or rejected, and once.

    Without a schema, one is inferred. `rows` is the number of rows that the input is known to have.
    """
    rejected: list[Rejected] = []
    stream = open_rows(source, schema, on_reject=rejected.extend, batch_rows=7)
    batches = list(stream)
    numbers = np.concatenate([*(batch.row_numbers for batch in batches), [row.row_number for row in rejected]])
    assert np.array_equal(np.sort(numbers), np.arange(stream.rows_read)), "row numbers are doubled or missing"
    assert stream.rows_read == stream.rows_accepted + stream.rows_rejected == len(numbers)
    assert rows is None or stream.rows_read == rows, f"{stream.rows_read} of {rows} rows were accounted for"
    for batch in batches:
        assert batch.rows.schema.equals(stream.arrow_schema)
        batch.rows.validate(full=True)
    assert all(row.rule for row in rejected)
    return batches, stream.arrow_schema


def scored_or_rejected(detector: TabularDetector, source: Any, rows: int | None = None,
                       rng: np.random.Generator | None = None, *, alone: bool = True) -> None:
    """Every row of the input is scored or rejected; scores are finite, and those of a row alone are its own."""
    batches, columns = read_whole(source, detector.schema_, rows)
    if not batches:
        return
    table = pa.Table.from_batches([batch.rows for batch in batches], columns)
    scores = detector.score_table(table)
    for found in (scores.score, scores.p_value, scores.p_tail, scores.risk):
        assert np.isfinite(found).all(), "a score is not finite"
    assert ((scores.p_value > 0) & (scores.p_value <= 1)).all()
    if alone:
        row = int((rng or np.random.default_rng(0)).integers(table.num_rows))
        np.testing.assert_allclose(detector.score_table(table.slice(row, 1)).score, scores.score[row:row + 1],
                                   rtol=1e-6, err_msg="a score depends on other rows")
