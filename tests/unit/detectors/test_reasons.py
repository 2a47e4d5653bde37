import datetime

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors import reasons
from anomaly_cl.detectors.tabular import TabularDetector


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
    assert reasons.shown(1234.56789) == "1234.57"
    assert reasons.shown(float("nan")) is None
    assert reasons.shown(None) is None
    assert reasons.usual(datetime.datetime(2026, 3, 2, 9, 5)) == "Mon 09:05"
