import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anomaly_cl import load
from anomaly_cl.detectors.artifact import LIBRARIES, describe_model
from anomaly_cl.detectors.facts import model_facts
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Schema
from anomaly_cl.table.read import open_rows
from tests.unit.detectors.made_up_payments import fitted, payments
from tests.unit.detectors.made_up_readings import readings, untrained


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"amount": np.exp(rng.normal(3, 1, 500)), "kind": rng.choice(["secret", "b"], 500, p=[.9, .1]),
                         "branch": rng.choice(["Hidden-1", "Hidden-2"], 500)})


def detector_of(frame, private=(), pretraining="none"):
    schema = open_rows(frame).schema.assign({"branch": "segment"})
    schema = Schema(tuple(replace(column, private=column.name in private) for column in schema.columns))
    return TabularDetector(pretraining, schema=schema, training=TrainingSettings(max_epochs=1)).fit(frame)


@pytest.mark.parametrize("made", ["rows", "events", "series"])
def test_facts_are_plain_data_about_the_model(frame, made):
    detector = {"rows": lambda: detector_of(frame), "events": lambda: fitted(payments(1_500)),
                "series": lambda: untrained(readings())}[made]()
    facts = model_facts(detector)
    assert json.loads(json.dumps(facts, allow_nan=False))["model_id"] == detector.model_id_
    assert {"kind", "settings", "versions", "rows", "schema", "heads", "calibration", "trained"} <= set(facts)
    assert all(weight > 0 for weight in facts["heads"].values())
    assert set(facts["versions"]) == set(LIBRARIES)
    assert {"events": "events", "series": "channels", "rows": "groups"}[made] in facts


def test_the_curve_says_what_the_calibration_says(frame):
    detector = detector_of(frame)
    curve, calibration = model_facts(detector)["calibration"]["curve"], detector.calibration_
    scores = np.array(curve["score"])
    assert scores[0] == calibration.scores_.min()
    assert scores[-1] > calibration.scores_.max()
    counted = [(1 + int((calibration.scores_ >= score).sum())) / (len(calibration.scores_) + 1) for score in scores]
    np.testing.assert_allclose(curve["p_value"], counted)
    assert (np.array(curve["p_tail"]) <= np.array(curve["p_value"])).all()


def test_a_loaded_model_tells_the_versions_that_made_it(frame, tmp_path):
    detector = detector_of(frame)
    detector.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.made_with_ == describe_model(tmp_path / "model")["versions"] == model_facts(loaded)["versions"]


def test_values_of_private_columns_are_not_among_the_facts(frame):
    private = model_facts(detector_of(frame, ["kind", "branch"], "swav"))
    told = json.dumps(private)
    assert "secret" not in told
    assert "Hidden" not in told
    assert {line["name"] for line in private["schema"] if line["private"]} == {"kind", "branch"}
    assert [line["segment"] for line in private["segments"]] == ["(private) 0", "(private) 1", None]
    assert private["typical"]["amount"] > 0
    shown = json.dumps(model_facts(detector_of(frame, [], "swav")))
    assert "secret" in shown
    assert "Hidden-1" in shown
