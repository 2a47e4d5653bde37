"""What every detector promises, whatever it was made of."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

import anomaly_cl
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, PolicyWarning, UsageError
from anomaly_cl.schema import Column, Schema
from tests.contract.conftest import SCHEMA


def test_a_row_does_not_see_the_others(detector, rows):
    together = detector.decision_function(rows)
    assert_array_equal(together[:3], detector.decision_function(rows.iloc[:3]))
    order = np.random.default_rng(0).permutation(len(rows))
    assert_array_equal(together[order], detector.decision_function(rows.iloc[order]))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_scores_do_not_depend_on_the_chunks(detector, rows, size):
    some = rows.iloc[:100]
    chunks = [detector.decision_function(some.iloc[i:i + size]) for i in range(0, 100, size)]
    assert_array_equal(np.concatenate(chunks), detector.decision_function(some))


def test_p_values_fall_with_the_score_and_are_probabilities(detector, rows):
    scored = detector.score(rows).sort_values("score")
    for name in ("p_value", "p_tail"):
        assert (np.diff(scored[name]) <= 0).all()
        assert scored[name].between(0, 1, inclusive="right").all()
    assert (np.diff(scored["risk"]) >= 0).all()
    assert (scored["p_tail"] <= scored["p_value"]).all()
    np.testing.assert_allclose(scored["risk"], -10 * np.log10(scored["p_tail"]))


def test_scored_columns_are_those_of_the_contract(detector, rows):
    scored = detector.score(rows, policy="alpha=0.05")
    assert list(scored) == ["id", "account", "at", "score", "p_value", "p_tail", "risk", "alert", "segment", "reasons",
                            "model_id"]
    assert scored["score"].dtype == np.float64
    assert (scored["alert"] == (scored["p_value"] <= 0.05)).all()
    assert scored["reasons"].notna().equals(scored["alert"])
    assert_array_equal(scored["id"], rows["id"])


def test_the_same_seed_gives_the_same_detector(detector, normal, rows):
    again = clone(detector).fit(normal)
    assert again.model_id_ == detector.model_id_
    assert_array_equal(again.decision_function(rows), detector.decision_function(rows))


def test_more_than_half_of_the_scores_differ(detector, rows):
    assert len(np.unique(detector.decision_function(rows))) > len(rows) / 2


def test_planted_anomalies_stand_out(detector, rows):
    strange = rows.iloc[:5].assign(amount=[9e4, 1e5, 2e5, 1e6, 1e9])
    assert detector.decision_function(strange).min() > np.quantile(detector.decision_function(rows), 0.99)
    for reasons in detector.score(strange, policy="alpha=0.05")["reasons"]:
        assert reasons[0]["column"] == "amount"


def test_saved_and_loaded_it_scores_the_same(detector, normal, rows, tmp_path):
    detector.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model")
    assert loaded.model_id_ == detector.model_id_
    pd.testing.assert_frame_equal(loaded.score(rows), detector.score(rows))
    assert_array_equal(loaded.embed(rows), detector.embed(rows))
    assert_array_equal(loaded.training_scores(normal), detector.training_scores(normal))
    assert loaded.get_params()["pretraining"] == detector.pretraining


def test_pickled_and_copied_it_scores_the_same(detector, rows):
    expected = detector.decision_function(rows)
    for twin in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
        assert_array_equal(twin.decision_function(rows), expected)


def test_drift_is_told_for_rows_of_every_kind(detector, rows):
    assert detector.drift(rows).verdict == "fine"
    assert {column.name for column in detector.drift(rows).columns} == set(detector.schema_.names) - {
        "id", "account", "at"}
    assert detector.drift(rows.assign(amount=rows["amount"] * 3)).moved == ("amount",)


def test_a_recalibrated_detector_scores_alike_and_has_another_name(detector, rows):
    other = detector.recalibrated(rows)
    assert_array_equal(other.decision_function(rows), detector.decision_function(rows))
    assert other.model_id_ != detector.model_id_
    assert_array_equal(np.sort(other.score(rows)["p_value"]), np.sort(
        [(1 + (other.calibration_.scores_ >= score).sum()) / (1 + len(rows)) for score in other.calibration_.scores_]))


def test_the_input_is_never_changed(detector, normal, rows):
    before = rows.copy(deep=True)
    frozen = rows.copy(deep=True)
    detector.score(frozen)
    detector.embed(frozen)
    clone(detector).fit(frozen)
    pd.testing.assert_frame_equal(frozen, before)


def test_scoring_writes_nothing_to_the_detector(detector, rows):
    before = pickle.dumps(detector)
    detector.score(rows)
    detector.embed(rows)
    detector.drift(rows)
    detector.recalibrated(rows)
    assert pickle.dumps(detector) == before


def test_unseen_values_and_missing_ones_never_fail(detector, rows):
    odd = rows.iloc[:6].copy()
    odd["amount"] = [np.nan, 1e308, -1e308, 5e-324, 0.0, -0.0]
    odd["channel"] = ["never seen", None, "", "card ", "\x00", "🛒"]
    odd["shop"] = [None, "", " ", "x" * 10_000, "ß∂ƒ", "<b>"]
    odd["picture"] = [None, *list(rows["picture"][1:6])]
    odd["at"] = [pd.NaT, pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01"), *rows["at"][3:6]]
    odd["constant"] = [2.0, np.nan, 1.0, 1.0, 1.0, 1.0]
    scored = detector.score(odd, policy="alpha=0.05")
    assert len(scored) == 6
    assert np.isfinite(scored[["score", "p_value", "p_tail", "risk"]]).all().all()


def test_infinity_is_refused_with_its_row_and_column(detector, rows):
    odd = rows.iloc[:3].copy()
    odd.loc[odd.index[1], "amount"] = np.inf
    with pytest.raises(InputError, match=r"(?s)amount.*row 1.*inf"):
        detector.score(odd)


def test_a_missing_column_is_named(detector, rows):
    with pytest.raises(InputError, match="'amount'"):
        detector.score(rows.drop(columns="amount"))


def test_frames_arrow_and_polars_score_the_same(detector, rows):
    import polars

    expected = detector.decision_function(rows)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    assert_array_equal(detector.decision_function(table), expected)
    assert_array_equal(detector.decision_function(polars.from_arrow(table)), expected)


def test_the_index_of_a_frame_is_kept(detector, rows):
    shuffled = rows.iloc[[5, 2, 9]]
    assert list(detector.score(shuffled).index) == [5, 2, 9]


def test_embeddings_have_one_row_each_and_are_finite(detector, rows):
    embedding = detector.embed(rows)
    assert embedding.dtype == np.float32
    assert len(embedding) == len(rows)
    assert np.isfinite(embedding).all()


def test_training_scores_exceed_those_of_rows_that_meet_themselves(detector, normal):
    own, honest = detector.decision_function(normal), detector.training_scores(normal)
    assert len(detector.scorer_.bank_positions_) == len(normal)
    assert (honest > own).mean() > 0.9


def test_a_policy_that_can_never_alert_says_so(detector, rows):
    with pytest.raises(UsageError, match="calibrat"):
        detector.score(rows, policy="alpha=0.000001")


def test_a_budget_gives_as_many_alerts(detector, rows):
    scored = detector.score(rows, policy="budget=7")
    assert scored["alert"].sum() == 7
    assert scored.loc[scored["alert"], "score"].min() >= scored.loc[~scored["alert"], "score"].max()


def test_a_budget_for_each_day_needs_a_time_and_one_for_each_segment_a_segment(detector, rows):
    days = detector.score(rows, policy="budget=2/day").groupby(rows["at"].dt.date)["alert"].sum()
    assert (days == 2).all()
    with pytest.raises(UsageError, match="segment"):
        detector.score(rows, policy="budget=2/segment")


def test_false_discovery_control_alerts_what_stands_out_and_says_first_what_it_cannot(detector, rows):
    strange = rows.assign(amount=rows["amount"].where(np.arange(len(rows)) % 5 != 0, 1e6))
    with pytest.warns(PolicyWarning, match="calibration rows"):
        scored = detector.score(strange, policy="fdr=0.1")
    assert scored.loc[::5, "alert"].mean() > 0.9
    assert scored["alert"].sum() < 80
    with pytest.raises(UsageError, match="calibrate on 9,999 rows"):
        detector.score(rows, policy="fdr=0.1,share=0.001")


def test_least_cost_alerts_what_stands_out(detector, rows):
    strange = rows.assign(amount=rows["amount"].where(np.arange(len(rows)) % 5 != 0, 1e6))
    for policy in ("cost=1:50", "cost=1:50,prior=0.2"):
        assert detector.score(strange, policy=policy).loc[::5, "alert"].mean() > 0.9
    with pytest.raises(UsageError, match="never pays"):
        detector.score(rows, policy="cost=50:1,prior=0.001")


def test_labels_are_never_read(detector, normal, rows):
    schema = Schema((*SCHEMA.columns, Column("is_fraud", "numeric", "double", "label")))
    made = [
        clone(detector).set_params(schema=schema).fit(normal.assign(is_fraud=label)).decision_function(rows)
        for label in (np.zeros(len(normal)), np.arange(len(normal)) % 2)
    ]
    assert_array_equal(made[0], made[1])
    assert_array_equal(made[0], detector.decision_function(rows))


@pytest.mark.parametrize("shape", [(60, 1), (5, 3), (40, 2_000)], ids=["one column", "five rows", "2,000 columns"])
def test_tables_of_unusual_shape(detector, shape):
    X = np.random.default_rng(0).normal(size=shape)
    other = clone(detector).set_params(schema=None).fit(X)
    scores = other.decision_function(X[:1])
    assert scores.shape == (1,)
    assert np.isfinite(scores).all()


def test_constant_tables_are_learned_and_a_change_is_strange(detector):
    X = np.ones((50, 3))
    other = clone(detector).set_params(schema=None).fit(X)
    same, changed = other.decision_function(np.array([[1, 1, 1], [1, 2, 1]], float))
    assert changed > same


def test_too_few_rows_are_refused(detector):
    with pytest.raises(InputError, match="n_samples = 1"):
        clone(detector).set_params(schema=None).fit(np.ones((1, 3)))


def test_an_unknown_pretraining_is_refused():
    with pytest.raises(UsageError, match="simclr"):
        TabularDetector(pretraining="magic").fit(np.ones((50, 3)))


def test_the_report_is_data_and_leaves_the_detector_as_it_was(detector, rows):
    before = detector.decision_function(rows)
    report = detector.report(seeds=2, anomalies=20)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["verdict"] == report.verdict
    assert {"fused", "plain distances", "knn_rank", "tails"} <= {found.head for found in report.learnability}
    assert all(0 <= found.auc_roc <= 1 for found in report.learnability)
    assert bool(report.sensitivity) == (detector.pretraining != "none")
    assert_array_equal(detector.decision_function(rows), before)
