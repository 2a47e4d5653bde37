import doctest

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.batch.amounts import amount_column, amounts_of, known_amount
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.table import names
from tests.unit.detectors.made_up_readings import readings, untrained


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.normal(size=300), "n_amounts": rng.normal(size=300),
                         "Purchase_Price": rng.normal(size=300), "total": rng.normal(size=300)})


def test_the_amount_is_the_first_number_whose_name_says_so(frame):
    rows = pa.Table.from_pandas(frame, preserve_index=False).schema
    assert amount_column(None, TabularDetector("none").fit(frame), rows) == "Purchase_Price"
    assert amount_column("age", TabularDetector("none").fit(frame), rows) == "age"
    nameless = frame[["age", "n_amounts"]]
    assert amount_column(None, TabularDetector("none").fit(nameless), rows) is None


def test_readings_are_no_amounts():
    rows = readings().rename(columns={"heat": "price"})
    detector = untrained(rows.rename(columns={"price": "heat"}))
    assert amount_column(None, detector, pa.Table.from_pandas(rows).schema) is None


@pytest.mark.parametrize("named", ["nowhere", "kind"])
def test_an_amount_is_a_column_of_numbers_of_the_input(frame, named):
    rows = pa.Table.from_pandas(frame.assign(kind="a"), preserve_index=False).schema
    with pytest.raises(UsageError, match=named):
        amount_column(named, TabularDetector("none").fit(frame), rows)


def test_amounts_that_are_missing_or_infinite_are_none():
    rows = pa.table({"paid": pa.array([1.5, None, float("nan"), float("inf"), -2.0])})
    assert [known_amount(each) for each in amounts_of(rows, "paid")] == [1.5, None, None, None, -2.0]
    assert [known_amount(each) for each in amounts_of(rows.to_batches()[0], None)] == [None] * 5
    whole = pa.table({"paid": pa.array([3, None], pa.int64())})
    assert [known_amount(each) for each in amounts_of(whole.to_batches()[0], "paid")] == [3.0, None]


def test_the_examples_of_names_hold():
    assert not doctest.testmod(names).failed
