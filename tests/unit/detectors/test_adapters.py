import pickle

import numpy as np
import pytest
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.estimator_checks import parametrize_with_checks

from anomaly_cl.detectors.adapters import (
    OutsideHead,
    PyODDetector,
    SklearnDetector,
    benchmark_detector,
    threshold_at,
)
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.settings import TrainingSettings

SHORT = TrainingSettings(max_epochs=1, steps_per_epoch=2)
PYOD_LABELS = "PyOD labels outliers 1 and normal rows 0, scikit-learn -1 and 1"


def _other_labels(estimator):
    if isinstance(estimator, PyODDetector):
        return dict.fromkeys(["check_outliers_fit_predict", "check_outliers_train"], PYOD_LABELS)
    return {}


@parametrize_with_checks(
    [SklearnDetector("none"), SklearnDetector(training=SHORT, calibration="split"), PyODDetector(pretraining="none"),
     PyODDetector(training=SHORT, calibration="split")],
    expected_failed_checks=_other_labels,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(600, 4)) @ rng.normal(size=(4, 4))
    return normal[:400], normal[400:], rng.normal(size=(40, 4)) * 6


def test_scikit_learns_face_flips_the_sign_and_keeps_the_order(data):
    train, normal, strange = data
    face = SklearnDetector("none", alpha=0.05).fit(train)
    both = np.vstack([normal, strange])
    np.testing.assert_array_equal(face.score_samples(both), -face.detector_.decision_function(both))
    assert (face.predict(strange) == -1).mean() > 0.8
    np.testing.assert_array_equal(face.predict(both) == -1, face.decision_function(both) < 0)


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.3])
def test_the_threshold_alerts_exactly_where_the_p_value_does(data, alpha):
    train, normal, strange = data
    detector = TabularDetector("none").fit(train)
    both = np.vstack([normal, strange])
    scored = detector.score(both, policy="budget=1")
    np.testing.assert_array_equal(scored["score"] >= threshold_at(detector, alpha), scored["p_value"] <= alpha)


def test_a_rate_too_small_for_the_calibration_alerts_only_past_all_of_it(data):
    detector = TabularDetector("none").fit(data[0])
    assert threshold_at(detector, 1e-6) > detector.calibration_.scores_.max()


def test_pyods_face_has_pyods_attributes(data):
    train, normal, strange = data
    face = PyODDetector(contamination=0.1, pretraining="none").fit(train)
    both = np.vstack([normal, strange])
    assert face.decision_scores_.shape == (400,)
    assert face.labels_.sum() == 40
    assert set(np.unique(face.predict(both))) == {0, 1}
    assert face.predict_proba(both).shape == (240, 2)
    assert face.predict_confidence(both).shape == (240,)
    assert roc_auc_score(np.r_[np.zeros(200), np.ones(40)], face.decision_function(both)) > 0.9


def test_pyods_threshold_alerts_about_its_contamination_of_new_normal_rows(data):
    train, normal, _ = data
    face = PyODDetector(contamination=0.1, pretraining="none").fit(train)
    assert 0.04 < face.predict(normal).mean() < 0.2


@pytest.mark.parametrize("outside", [IForest(random_state=0), IsolationForest(random_state=0),
                                     LocalOutlierFactor(novelty=True)])
def test_detectors_of_other_libraries_plug_in_as_heads(data, outside):
    train, normal, strange = data
    head = OutsideHead(outside).fit(train)
    assert head.distances(strange).mean() > head.distances(normal).mean()
    detector = TabularDetector("none", extra_heads={"outside": OutsideHead(outside)}).fit(train)
    plain = TabularDetector("none").fit(train)
    assert not np.allclose(detector.decision_function(normal), plain.decision_function(normal))
    twin = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(twin.decision_function(normal), detector.decision_function(normal))
    assert not hasattr(outside, "decision_scores_") or outside.decision_scores_ is None


def test_a_head_of_another_library_cannot_be_saved(data, tmp_path):
    forest = OutsideHead(IsolationForest(random_state=0))
    detector = TabularDetector("none", extra_heads={"forest": forest}).fit(data[0])
    with pytest.raises(UsageError, match="IsolationForest"):
        detector.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_head_whose_rows_see_each_other_is_refused(data):
    with pytest.raises(UsageError, match=r"ECOD.*alone and among others"):
        OutsideHead(ECOD()).fit(data[0])


def test_extra_heads_cannot_take_the_names_of_our_own(data):
    with pytest.raises(UsageError, match="tails"):
        TabularDetector("none", extra_heads={"tails": OutsideHead(IsolationForest())}).fit(data[0])


def test_the_benchmarks_detector_is_the_default_one():
    default = {**TabularDetector().get_params(), "random_state": 3}
    assert benchmark_detector(3).get_params() == default
