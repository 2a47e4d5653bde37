import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from anomaly_cl.detectors import probing
from anomaly_cl.detectors.report import AS_SET, FUSED, PLAIN, DetectorReport, Found, Stability, Trained
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.pretraining.variants import VIEWS

QUICK = TrainingSettings(max_steps=6, steps_per_epoch=2, batch_size=32, encoder_width=8)


def dependent(n_rows, seed=0):
    """Columns that follow from each other."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n_rows)
    return pd.DataFrame({
        "a": size + 0.1 * rng.normal(size=n_rows), "b": -2 * size + 0.1 * rng.normal(size=n_rows),
        "c": np.exp(size), "side": np.where(size > 0, "left", "right"),
    })


def independent(n_rows, seed=0):
    """The same columns, each shuffled by itself."""
    rng = np.random.default_rng(seed + 1)
    return dependent(n_rows, seed).apply(lambda column: rng.permutation(column.to_numpy()))


def detector(rows, pretraining="none", **settings):
    return TabularDetector(pretraining, calibration="split", **settings).fit(rows)


@pytest.fixture(scope="module")
def plain():
    return detector(dependent(800))


@pytest.fixture(scope="module")
def report(plain):
    return plain.report(seeds=2, anomalies=150)


@pytest.fixture(scope="module")
def trained():
    return detector(dependent(300), "simclr", training=QUICK).report(seeds=1, anomalies=40)


def test_data_with_dependencies_carry_signal_and_shuffled_ones_are_warned_of(report):
    assert report.learnable
    assert "carries signal" in report.verdict
    hopeless = detector(independent(800)).report(seeds=1, anomalies=150)
    assert hopeless.learnable is False
    assert hopeless.verdict.startswith("Warning: dependencies between columns carry (almost) no signal")
    assert hopeless.auc_roc("dependency") == pytest.approx(0.5, abs=0.08)
    assert "only rows with extreme or unseen values" in hopeless.verdict


def test_claims_of_which_frauds_look_like_any_other_are_warned_of(shared_data):
    file = shared_data / "claims" / "auto_claims.parquet"
    rows = pd.read_parquet(file).query("FraudFound_P == 0").drop(columns="FraudFound_P").head(6_000)
    for pretraining in ("none", "neighbours"):  # which learns from copies like those it is asked to find
        assert detector(rows, pretraining).report(seeds=1).learnable is False


def test_aucs_equal_those_of_probes_made_by_hand(plain, report):
    calls = []
    real = probing.RowScorer.score_encoded

    class Watched(probing.RowScorer):
        def score_encoded(self, encoded):
            calls.append(real(self, encoded))
            return calls[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "RowScorer", Watched)
        assert plain.report(seeds=2, anomalies=150) == report
    n_parts = len(report.anomalies) + 1
    first, second = calls[:n_parts], calls[n_parts:]
    for i, kind in enumerate(report.anomalies, 1):
        labels = np.repeat([0, 1], [report.held_out_rows, report.anomalies[kind]])
        areas = [roc_auc_score(labels, np.concatenate([part[0], part[i]])) for part in (first, second)]
        assert report.auc_roc(kind) == pytest.approx(np.mean(areas))
        found = next(line for line in report.learnability if (line.kind, line.head) == (kind, FUSED))
        assert found.spread == pytest.approx(np.std(areas))
    agreed = spearmanr(np.concatenate(first), np.concatenate(second)).statistic
    assert report.stability.rank_correlation == pytest.approx(agreed)


def test_every_head_meets_every_kind(plain, report):
    heads = {FUSED, PLAIN, *plain.scorer_.ensemble_.fitted_}
    assert {(line.kind, line.head) for line in report.learnability} == {
        (kind, head) for kind in report.anomalies for head in heads}
    assert report.held_out_rows == plain.reference_.num_rows // 4
    assert report.fitted_rows == int((plain.reference_.num_rows - report.held_out_rows) * 0.8)


def test_a_report_changes_nothing_and_repeats_itself(plain, report):
    rows = dependent(50, 1)
    before = plain.decision_function(rows)
    assert plain.report(seeds=2, anomalies=150) == report
    np.testing.assert_array_equal(plain.decision_function(rows), before)
    other = detector(dependent(800), random_state=1).report(seeds=2, anomalies=150)
    assert other != report


def test_rows_may_be_given(plain):
    assert plain.report(independent(400, 3), seeds=1, anomalies=100).learnable is False


def test_without_pretraining_sensitivity_is_skipped_and_said_so(report):
    assert report.sensitivity == ()
    assert "Without pretraining nothing hangs on views." in report.notes


def test_sensitivity_has_a_line_for_each_of_the_views(trained):
    assert [line.variant for line in trained.sensitivity] == [AS_SET, *[*VIEWS][1:]]
    assert trained.sensitivity[0].rank_correlation == pytest.approx(1)
    assert trained.sensitivity[0].fused_rank_correlation == pytest.approx(1)
    for line in trained.sensitivity:
        assert set(line.auc_roc) == set(trained.anomalies)
        assert -1 <= line.rank_correlation <= 1


def test_one_seed_tells_no_stability(trained):
    assert trained.stability is None
    assert any("Stability" in note for note in trained.notes)
    assert any("held out" in note for note in trained.notes)


@pytest.mark.parametrize(("pretraining", "n_lines"), [("triplet", 5), ("clip", 3), ("neighbours", 7)])
def test_methods_without_views_vary_what_they_have(pretraining, n_lines):
    report = detector(dependent(200), pretraining, training=QUICK).report(seeds=1, anomalies=30)
    assert len(report.sensitivity) == n_lines


def test_a_training_that_collapses_has_an_empty_line(monkeypatch):
    fitted = detector(dependent(200), "simclr", training=QUICK)
    real = probing.RowScorer

    class Collapsing(real):
        def fit(self, table, schema, roles, recipe, rng):
            if recipe.training.views == VIEWS["noise .1"]:
                raise ModelError("a trained encoder must tell rows apart", "it collapsed", "train shorter")
            return super().fit(table, schema, roles, recipe, rng)

    monkeypatch.setattr(probing, "RowScorer", Collapsing)
    report = fitted.report(seeds=1, anomalies=30)
    lines = {line.variant: line for line in report.sensitivity}
    assert lines["noise .1"] == Trained("noise .1", None, None, None)
    assert lines["masked .3"].auc_roc is not None
    assert "-" in str(report)


def test_scores_that_hang_on_the_seed_or_the_views_are_noted():
    rows = pd.DataFrame({"x": np.random.default_rng(0).normal(size=300), "y": np.random.default_rng(1).random(300)})
    wild = TrainingSettings(max_steps=60, learning_rate=0.3, encoder_width=8)
    report = detector(rows, "simclr", training=wild).report(seeds=2, anomalies=30)
    unsteady = [line for line in report.sensitivity if line.fused_rank_correlation < 0.8]
    assert any("hangs on the training" in note for note in report.notes) == bool(unsteady)
    assert any("hangs on the seed" in note for note in report.notes) == (report.stability.rank_correlation < 0.8)
    assert probing._sensitive((Trained("noise", 0.9, 0.79, {}),)).endswith("settings is 0.79.")
    assert probing._sensitive((Trained("noise", 0.9, 0.81, {}), Trained("mask", None, None, None))) == ""
    assert "0.70" in probing._unstable(Stability(0.7, 0.6, 20, 0.5))
    assert probing._unstable(Stability(0.8, 0.6, 20, 0.5)) == ""


def test_steps_are_told(plain):
    told = []
    plain.report(seeds=2, anomalies=10, on_step=told.append)
    assert told == ["probe 1 of 2", "probe 2 of 2"]


def test_a_loaded_model_reports_the_same(plain, report, tmp_path):
    plain.save(tmp_path / "model")
    assert TabularDetector.load(tmp_path / "model").report(seeds=2, anomalies=150) == report


def test_a_loaded_model_says_that_it_lacks_its_own_training_settings(tmp_path):
    fitted = detector(dependent(200), "triplet", training=QUICK)
    fitted.save(tmp_path / "model")
    notes = [one.report(seeds=1, anomalies=20).notes for one in (fitted, TabularDetector.load(tmp_path / "model"))]
    assert [any("default settings" in note for note in some) for some in notes] == [False, True]


def test_what_cannot_be_measured_is_refused_or_said(plain):
    with pytest.raises(InputError, match="40"):
        plain.report(dependent(39))
    for wrong in ({"seeds": 0}, {"anomalies": 9}):
        with pytest.raises(UsageError):
            plain.report(**wrong)
    flags = pa.table({"x": pa.array([True] * 100), "y": pa.array([False] * 100)})
    report = detector(flags).report(seeds=1, anomalies=20)
    assert report.learnable is None
    assert "cannot be judged" in report.verdict
    assert any("few values" in note for note in report.notes)
    assert str(report)


def made_up(few, half, marginal):
    found = {"few values": few, "dependency": half, "marginal": marginal}
    return DetectorReport(100, 100, dict.fromkeys(found, 50), 2,
                          tuple(Found(kind, PLAIN, auc, 0.0) for kind, auc in found.items()),
                          Stability(0.9, 0.9, 20, 0.5), ())


@pytest.mark.parametrize(("few", "half", "marginal", "said"), [
    (0.63, 0.9, 0.9, "This data carries signal: rows in which a few values are those of other rows are found with "
                     "AUC .63 (half of them: .90)."),
    (0.62, 0.5, 0.9, "only rows with extreme or unseen values (AUC .90) can be found."),
    (0.62, 0.8, 0.5, "only rows that are odd in many columns at once (AUC .80) can be found."),
    (0.62, 0.8, 0.9, "only rows with extreme or unseen values (AUC .90) or that are odd in many columns at once (AUC "
                     ".80) can be found."),
    (0.50, 0.5, 0.5, "no other kind of anomaly is found well either."),
])
def test_the_verdict_follows_its_rule(few, half, marginal, said):
    report = made_up(few, half, marginal)
    assert report.verdict.endswith(said)
    assert report.learnable == (few >= 0.625) == (not report.verdict.startswith("Warning"))


def test_the_report_is_json_tables_and_text(report, trained):
    for one in (report, trained):
        plain_data = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert plain_data["verdict"] == one.verdict
        tables = one.tables()
        assert list(tables["learnability"].index) == list(one.anomalies)
        assert list(tables["learnability"].columns[:2]) == [FUSED, PLAIN]
        assert tables["learnability"].loc["local", FUSED] == one.auc_roc("local")
        for part in (one.verdict, "knn_robust", "few values", *one.notes):
            assert part in str(one)
    assert len(trained.tables()["sensitivity"]) == len(trained.sensitivity)
