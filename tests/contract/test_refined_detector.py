"""What a refined detector promises beside what every detector does, and what groups and pairs promise."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import roc_auc_score

import anomaly_cl
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.fit import TrainingSettings
from anomaly_cl.schema import Schema
from tests.contract.conftest import QUICK, SCHEMA, records


def odd_records(n_rows: int, seed: int) -> pd.DataFrame:
    """Large cash payments at the kiosk: each value is usual, and so are most of them together."""
    frame = records(n_rows, seed)
    return frame.assign(amount=np.exp(4.2 + 0.2 * np.random.default_rng(seed).normal(size=n_rows)), items=6,
                        channel="cash", shop="STATION KIOSK")


@pytest.fixture(scope="module")
def plain(normal) -> TabularDetector:
    return TabularDetector("none", schema=SCHEMA, calibration="split").fit(normal)


@pytest.fixture(scope="module")
def refined(plain) -> TabularDetector:
    return plain.refine(odd_records(5, 7), np.ones(5))


def test_the_original_stays_as_it_was(normal, rows):
    detector = TabularDetector("none", schema=SCHEMA, calibration="split").fit(normal[:200])
    before = pickle.dumps(detector)
    refined = detector.refine(rows[:3], [1, 1, 0])
    assert pickle.dumps(detector) == before
    assert refined.model_id_ != detector.model_id_
    assert refined.rows_ == detector.rows_ | {"confirmed_anomalies": 2}


def test_other_anomalies_of_the_kind_rank_higher(plain, refined, rows):
    odd = odd_records(60, 8)
    labels, tested = np.repeat([0, 1], [len(rows), 60]), pd.concat([rows, odd])
    before, after = (roc_auc_score(labels, each.decision_function(tested)) for each in (plain, refined))
    assert after > before + 0.02


def test_other_kinds_are_still_found(refined, rows):
    strange = rows.iloc[:5].assign(amount=[9e4, 1e5, 2e5, 1e6, 1e9])
    assert refined.decision_function(strange).min() > np.quantile(refined.decision_function(rows), 0.99)


def test_a_row_does_not_see_the_others(refined, rows):
    together = refined.decision_function(rows)
    for size in (1, 7):
        chunks = [refined.decision_function(rows.iloc[i:i + size]) for i in range(0, 70, size)]
        assert_array_equal(np.concatenate(chunks), together[:70])


def test_saved_pickled_and_copied_it_scores_the_same(refined, normal, rows, tmp_path):
    refined.save(tmp_path / "model")
    expected = refined.decision_function(rows)
    for twin in (anomaly_cl.load(tmp_path / "model"), pickle.loads(pickle.dumps(refined)), copy.deepcopy(refined)):
        assert_array_equal(twin.decision_function(rows), expected)
        assert_array_equal(twin.training_scores(normal), refined.training_scores(normal))
        assert twin.model_id_ == refined.model_id_


def test_a_loaded_detector_is_refined_alike(plain, refined, rows, tmp_path):
    plain.save(tmp_path / "model")
    again = anomaly_cl.load(tmp_path / "model").refine(odd_records(5, 7), np.ones(5))
    assert again.model_id_ == refined.model_id_
    assert_array_equal(again.decision_function(rows), refined.decision_function(rows))


def test_new_normal_rows_are_alerted_at_the_promised_rate(refined):
    at_alpha = [np.mean(refined.score(records(1_000, seed), policy="alpha=0.1")["alert"]) for seed in (11, 12, 13)]
    assert np.mean(at_alpha) < 0.1 + 3 * np.sqrt(0.09 / 180)  # the calibration's own 180 rows are what varies


@pytest.mark.parametrize("labels", [[1], [2, 0], ["fraud", "ok"], [0, 0], [np.nan, 1]])
def test_labels_that_cannot_be_meant_are_refused(plain, rows, labels):
    with pytest.raises(InputError):
        plain.refine(rows[:2], labels)


def test_training_settings_that_a_model_folder_lacks_are_asked_for(normal, rows, tmp_path):
    detector = TabularDetector("triplet", schema=SCHEMA, training=QUICK, calibration="split").fit(normal[:100])
    detector.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model")
    with pytest.raises(UsageError, match="set_params"):
        loaded.refine(rows[:2], [1, 0])
    again = loaded.set_params(training=QUICK).refine(rows[:2], [1, 0])
    assert again.model_id_ == detector.refine(rows[:2], [1, 0]).model_id_


def test_groups_survive_the_model_folder_and_count_the_bank(normal, rows, tmp_path):
    detector = TabularDetector("swav", schema=SCHEMA, training=QUICK, calibration="split").fit(normal)
    groups = detector.groups()
    assert groups["size"].sum() == len(normal)
    assert groups["size"].is_monotonic_decreasing
    assert groups["share"].sum() == pytest.approx(1)
    detector.save(tmp_path / "model")
    pd.testing.assert_frame_equal(anomaly_cl.load(tmp_path / "model").groups(), groups)


def test_groups_need_their_pretraining(plain):
    with pytest.raises(UsageError, match="swav"):
        plain.groups()


def pairs_of(normal: pd.DataFrame) -> pd.DataFrame:
    ids = normal["id"].to_numpy()
    return pd.DataFrame({"one": ids[:60], "other": ids[60:120], "verdict": ["same", "different"] * 30})


def test_pairs_change_what_is_learned_and_are_kept_for_refining(normal, rows, tmp_path):
    settings = {"schema": SCHEMA, "training": QUICK, "calibration": "split"}
    with_pairs = TabularDetector("triplet", **settings).fit(normal[:300], pairs=pairs_of(normal))
    without = TabularDetector("triplet", **settings).fit(normal[:300])
    assert 0 < with_pairs.rows_["pairs"] < 60
    assert with_pairs.model_id_ != without.model_id_
    with_pairs.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model").set_params(training=QUICK)
    assert loaded.refine(rows[:1], [1]).model_id_ == with_pairs.refine(rows[:1], [1]).model_id_


def test_rows_about_one_entity_are_pairs_if_so_set(normal, rows):
    training = TrainingSettings(max_epochs=2, entity_pairs=True)
    made = [TabularDetector("triplet", schema=SCHEMA, training=each, calibration="split").fit(normal[:300])
            for each in (training, TrainingSettings(max_epochs=2))]
    assert not np.array_equal(*(each.decision_function(rows) for each in made))
    nobody = Schema(tuple(column for column in SCHEMA.columns if column.name != "account"))
    with pytest.raises(UsageError, match="entity"):
        TabularDetector("triplet", schema=nobody, training=training).fit(normal.drop(columns="account"))


def test_pairs_need_an_encoder_to_train_and_rows_that_exist(normal):
    with pytest.raises(UsageError, match="none"):
        TabularDetector("none", schema=SCHEMA).fit(normal, pairs=pairs_of(normal))
    with pytest.raises(InputError, match="'r0-120'"):
        TabularDetector("triplet", schema=SCHEMA).fit(normal[:100], pairs=pairs_of(normal).assign(other="r0-120"))
