"""CSV files for people: formulas stay text, and what is read back is what was written."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.table.spreadsheet import as_cell, csv_of, from_cell, from_cells

LIKE_FORMULAS = st.text(st.sampled_from("'=+-@\t\r1.eA"), max_size=6)


@pytest.mark.parametrize("text", [
    "=cmd|' /C calc'!A0", "+1+cmd", "-1-1", "@SUM(A1)", "\t=1", "\r=1", "=1", "-", "+", "-1e", "-5\n", "'=1", "''@x",
    "+٣", "-1.2.3e", "--5",
])
def test_text_that_may_be_a_formula_has_an_apostrophe_before_it(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "M-1", "a=b", "'tis", "-5", "+4.5e-3", "-1,234.5", "49", " =1", "'", -5, 1.5,
                                   None, True])
def test_other_text_and_numbers_stay_as_they_are(value):
    assert as_cell(value) is value


@settings(deadline=None)
@given(st.lists(st.one_of(LIKE_FORMULAS, st.text(max_size=5)), min_size=1))
def test_what_is_read_back_is_what_was_written(texts):
    cells = [as_cell(text) for text in texts]
    assert [from_cell(cell) for cell in cells] == texts
    assert from_cells(pa.array(cells, pa.string())).to_pylist() == texts
    for text, cell in zip(texts, cells, strict=True):
        assert cell == text or cell[0] == "'"


def test_a_table_becomes_csv_that_a_csv_reader_reads():
    table = pa.table({"=key": ["=1", None, 'say "hi",\n', "-5"], "n": [-1, 2, None, 3], "x": [-0.5, None, 1e300, 2.0]})
    assert list(csv.reader(io.StringIO(csv_of(table), newline=""))) == [
        ["'=key", "n", "x"], ["'=1", "-1", "-0.5"], ["", "2", ""], ['say "hi",\n', "", "1e+300"], ["-5", "3", "2"]]


def test_a_table_without_rows_is_its_names():
    assert csv_of(pa.table({"key": pa.array([], pa.string())})) == '"key"\n'
