"""What holds of any table, schema and policy: properties, on cases that hypothesis draws and shrinks."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.read import open_rows
from tests.fuzz.records import SCHEMA, payments, scored_or_rejected
from tests.fuzz.running import ended

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
MIXED = st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**63 - 1), st.floats(width=64), TEXT,
    st.binary(max_size=8),
                  st.dates(), st.datetimes(), st.decimals(allow_nan=True, allow_infinity=True), st.timedeltas(),
                  st.lists(st.floats(), max_size=3))
CELLS = {
    "id": st.one_of(TEXT, st.none()), "amount": st.one_of(st.floats(), st.none()),
    "count": st.integers(-2**63, 2**63 - 1), "country": TEXT,
    "when": st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), "note": st.one_of(TEXT, st.none()),
}


@pytest.fixture
def property_of(cases):
    """Checks a property of drawn cases, at least `n` of them (times the scale), and counts how they ended."""
    def check(kind: str, n: int, strategy: st.SearchStrategy, act) -> None:
        endings = cases.tally.setdefault(kind, Counter())

        @seed(cases.seed)
        @settings(max_examples=max(1, round(n * cases.scale)), deadline=None, database=None,
                  phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))
        @given(strategy)
        def holds(case) -> None:
            ending, cause = ended(lambda: act(case))
            endings[ending] += 1
            assert ending != "finding", cause

        holds()

    return check


@st.composite
def frames(draw) -> pd.DataFrame:
    """Frames of payments, of which a column may hold anything."""
    n = draw(st.integers(1, 6))
    odd = draw(st.sampled_from([None, *CELLS]))
    columns = {name: draw(st.lists(MIXED if name == odd else cells, min_size=n, max_size=n)) for name,
        cells in CELLS.items()}
    frame = pd.DataFrame({name: pd.Series(values, dtype=object if name == odd else None) for name,
        values in columns.items()})
    return frame[draw(st.permutations(list(CELLS)))]


def test_frames_with_a_column_of_anything_are_scored_or_refused(property_of, detector):
    property_of("Frame (hypothesis)", 100, frames(), lambda frame: scored_or_rejected(detector, frame, len(frame)))


def test_a_score_is_unchanged_by_the_order_and_the_number_of_the_rows_beside_it(property_of, detector):
    table = next(iter(open_rows(payments(60), SCHEMA))).rows
    whole = detector.score_table(table).score

    def act(order: list[int]) -> None:
        np.testing.assert_allclose(detector.score_table(table.take(pa.array(order))).score, whole[order], rtol=1e-6)

    property_of("Rows beside (hypothesis)", 60, st.lists(st.integers(0, 59), min_size=1, max_size=60), act)


def test_what_is_written_as_csv_is_read_with_the_same_rows(property_of, tmp_path):
    schema = Schema((Column("a", Kind.CATEGORICAL, "string"), Column("b", Kind.TEXT, "string")))

    def act(rows: list[tuple[str, str]]) -> None:
        path = tmp_path / "written.csv"
        columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(2)]
        pyarrow.csv.write_csv(pa.table(columns, ["a", "b"]), path)
        read = pa.Table.from_batches([batch.rows for batch in open_rows(path, schema)])
        assert [tuple(cell or "" for cell in row.values()) for row in read.to_pylist()] == [
            tuple(cell if cell.lower() not in ("true", "false") or i else cell.lower() for i,
            cell in enumerate(row)) for row in rows]

    cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff",
        exclude_categories=("Cc", "Co", "Cs")), max_size=9)
    rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=6)
    property_of("CSV round trip (hypothesis)", 80, rows, act)


def test_a_schema_says_the_same_once_written(property_of):
    column = st.builds(
        Column, name=TEXT.filter(bool),
        kind=st.sampled_from([Kind.NUMERIC, Kind.CATEGORICAL, Kind.TEXT, Kind.DATETIME]),
        type=TEXT, role=st.sampled_from([Role.FEATURE, Role.IGNORE, Role.ENTITY, Role.LABEL]), reason=TEXT,
        missing=st.sampled_from(["allow", "reject"]), private=st.booleans(),
    )

    def act(columns: list[Column]) -> None:
        schema = Schema(tuple(columns))
        assert Schema.from_yaml(schema.to_yaml()) == schema

    unique = st.lists(column, min_size=1, max_size=5, unique_by=lambda each: each.name)
    property_of("Schema round trip (hypothesis)", 80, unique, act)
