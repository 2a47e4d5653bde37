import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors import reasons
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.features.table_encoder import EncodedRows


def _encoded(matrix):
    matrix = np.asarray(matrix, np.float32)
    return EncodedRows(dict.fromkeys(("standard", "robust", "rank"), matrix), matrix.astype(float))


@pytest.fixture
def bank():
    return _encoded(np.random.default_rng(0).normal(size=(300, 5)))


def test_typical_rows_equal_the_loops(bank):
    column_of = np.array([0, 1, 1, 2, 3])
    rows = _encoded(np.random.default_rng(1).normal(size=(20, 5)))
    rows = EncodedRows(rows.spaces, rows.tails[:, :4])
    found = reasons.typical_rows(rows, bank, column_of)
    there = bank.spaces["rank"].astype(float)
    for i, row in enumerate(rows.spaces["rank"].astype(float)):
        for column in range(4):
            others = column_of != column
            distances = np.square(row[others] - there[:, others]).sum(axis=1)
            alike = np.argsort(distances, kind="stable")[:reasons.ALIKE_ROWS]
            own = there[alike][:, ~others]
            spread = [sum(np.square(a - b).sum() for b in own) for a in own]
            assert found[i, column] == alike[int(np.argmin(spread))]


def test_a_rows_reasons_do_not_depend_on_the_others(bank, monkeypatch):
    monkeypatch.setattr(reasons, "CELLS", 300 * 5 * 7)
    rows = _encoded(np.random.default_rng(1).normal(size=(20, 5)))
    together = reasons.typical_rows(rows, bank, np.arange(5))
    alone = [reasons.typical_rows(rows.take(slice(i, i + 1)), bank, np.arange(5))[0] for i in range(20)]
    np.testing.assert_array_equal(together, alone)


def test_contributions_are_falls_of_the_score(bank):
    rows = _encoded([[9, 0, 0, 0, 0], [0, 0, 3, 0, 9]])
    typical = np.zeros((2, 5), int)

    def score(encoded):
        return encoded.spaces["standard"].sum(axis=1) + encoded.tails.sum(axis=1)

    falls = reasons.contributions(score, rows, bank, typical, np.arange(5))
    np.testing.assert_allclose(falls, 2 * (rows.tails - bank.tails[0]), atol=1e-5)


def test_wide_rows_try_the_columns_that_differ_most():
    rows, bank = _encoded(np.arange(100.0)[None]), _encoded(np.zeros((1, 100)))
    falls = reasons.contributions(lambda x: x.tails.sum(axis=1), rows, bank, np.zeros((1, 100), int), np.arange(100))
    assert set(np.flatnonzero(falls[0])) == set(range(100 - reasons.MOST_COLUMNS, 100))


def test_planted_columns_are_named_first():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(1_500, 6))
    normal[:, 1] = normal[:, 0] + 0.1 * normal[:, 1]
    detector = TabularDetector("none").fit(normal)
    rows = rng.normal(size=(90, 6)) * 0.5
    rows[:, 1] = rows[:, 0]
    planted = np.repeat([2, 3, 5], 30)
    rows[np.arange(90), planted] += 6
    table = pa.table({f"x{j}": rows[:, j] for j in range(6)})
    first = [found[0]["column"] for found in detector.reasons(table)]
    assert np.mean([name == f"x{j}" for name, j in zip(first, planted, strict=True)]) > 0.95


def test_a_broken_dependency_names_one_of_its_two_columns():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(1_500, 4))
    normal[:, 1] = normal[:, 0] + 0.1 * normal[:, 1]
    detector = TabularDetector("none").fit(normal)
    row = pa.table({"x0": [1.5], "x1": [-1.5], "x2": [0.0], "x3": [0.0]})
    found = detector.reasons(row)[0][0]
    assert found["column"] in ("x0", "x1")
    # what rows otherwise alike have there: the value that the other column asks for
    assert float(found["typical"]) * float(found["value"]) < 0


def test_values_are_shown_as_people_read_them():
    import datetime

    assert reasons.shown(1234.56789) == "1234.57"
    assert reasons.shown(float("nan")) is None
    assert reasons.shown(None) is None
    assert reasons.usual(datetime.datetime(2026, 3, 2, 9, 5)) == "Mon 09:05"
