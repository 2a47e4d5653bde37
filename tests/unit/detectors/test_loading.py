"""Model folders become detectors of the kind that was saved."""

import pandas as pd
import pyarrow as pa
import pytest

import anomaly_cl
from anomaly_cl import EventDetector, TabularDetector, load
from anomaly_cl.datasets.simulate import transactions_table
from anomaly_cl.detectors import artifact
from anomaly_cl.errors import ModelError


@pytest.fixture(scope="module")
def rows():
    return transactions_table(600, seed=0)


@pytest.mark.parametrize("detector", [
    TabularDetector("none"), EventDetector("transaction_id", ["customer_id"], "booked_at"),
], ids=["tabular", "events"])
def test_each_kind_comes_back_as_itself_with_its_scores(detector, rows, tmp_path):
    detector.fit(rows).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is type(detector)
    pd.testing.assert_frame_equal(again.score(rows), detector.score(rows))


def test_a_kind_of_another_time_is_refused_by_name(tmp_path):
    artifact.save_model(tmp_path / "model", {"kind": "series"}, {"reference": pa.table({"x": [1]})})
    with pytest.raises(ModelError, match=r"kinds tabular, events; .*model is of kind 'series'; upgrade"):
        load(tmp_path / "model")


@pytest.mark.parametrize("kind", ["tabular", "events"])
def test_a_state_without_its_parts_is_a_model_error(kind, tmp_path):
    artifact.save_model(tmp_path / "model", {"kind": kind}, {"reference": pa.table({"x": [1]})})
    with pytest.raises(ModelError, match="state must be complete"):
        load(tmp_path / "model")


def test_event_detectors_are_a_public_name():
    assert "EventDetector" in dir(anomaly_cl)
