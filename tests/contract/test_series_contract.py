"""What every detector of series promises, as detectors of rows do; of rows that depend on those around them."""

from __future__ import annotations

import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

import anomaly_cl
from anomaly_cl.detectors import series_training
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.fit import TrainingSettings
from anomaly_cl.pretraining.injections import InjectionsSettings
from anomaly_cl.schema import Column, Schema

QUICK = TrainingSettings(max_steps=10, steps_per_epoch=5, encoder_width=16)
COLUMNS = (
    Column("machine", "categorical", "string", "entity"),
    Column("at", "datetime", "timestamp[us]", "time"),
    Column("flow", "numeric", "double"),
    Column("heat", "numeric", "double"),
    Column("constant", "numeric", "double"),
)
DETECTORS = {
    "raw": {"members": 0},
    "injections": {"members": 1, "training": QUICK},
    "simclr": {"members": 1, "training": QUICK, "pretraining": "simclr"},
}
ALPHA = "alpha=0.1"


def readings(n_steps: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for machine, size in (("m1", 1.0), ("m2", 20.0)):
        wave = np.sin(2 * np.pi * np.arange(n_steps) / 12)
        parts.append(pd.DataFrame({
            "machine": machine, "at": pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(n_steps), unit="h"),
            "flow": size * (wave + 0.1 * rng.normal(size=n_steps)), "heat": 300 + size * rng.normal(size=n_steps),
            "constant": 1.0,
        }))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def normal() -> pd.DataFrame:
    return readings(240, 0)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return readings(120, 1)


@pytest.fixture(scope="module", autouse=True)
def few_kernels():
    """Encoders have few kernels and learn from few copies, so that they train quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_training, "InjectionsSettings",
                      partial(InjectionsSettings, kernels=24, copies=400, bank_rows=200))
        yield


@pytest.fixture(scope="module", params=DETECTORS)
def series(request, normal) -> SeriesDetector:
    return SeriesDetector(schema=Schema(COLUMNS), **DETECTORS[request.param]).fit(normal)


def test_rows_may_come_in_any_order_and_each_machine_by_itself(series, rows):
    together = series.decision_function(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    assert_array_equal(together[order], series.decision_function(rows.iloc[order]))
    assert_array_equal(together[120:], series.decision_function(rows.iloc[120:]))


def test_p_values_fall_with_the_score_and_are_probabilities(series, rows):
    for _, scored in series.score(rows, ALPHA).groupby("machine"):
        scored = scored.sort_values("score")
        for name in ("p_value", "p_tail"):
            assert (np.diff(scored[name]) <= 0).all()
            assert scored[name].between(0, 1, inclusive="right").all()
        assert (scored["p_tail"] <= scored["p_value"]).all()
        np.testing.assert_allclose(scored["risk"], -10 * np.log10(scored["p_tail"]))


def test_scored_columns_are_those_of_the_contract(series, rows):
    scored = series.score(rows, ALPHA)
    assert list(scored) == ["machine", "at", "score", "p_value", "p_tail", "risk", "alert", "segment", "reasons",
                            "model_id"]
    assert scored["score"].dtype == np.float64
    assert (scored["alert"] == (scored["p_value"] <= 0.1)).all()
    assert scored["reasons"].notna().equals(scored["alert"])
    pd.testing.assert_frame_equal(scored[["machine", "at"]], rows[["machine", "at"]], check_dtype=False)


def test_the_same_seed_gives_the_same_detector(series, normal, rows):
    again = clone(series).fit(normal)
    assert again.model_id_ == series.model_id_
    assert_array_equal(again.decision_function(rows), series.decision_function(rows))


def test_more_than_half_of_the_scores_differ(series, rows):
    assert len(np.unique(series.decision_function(rows))) > len(rows) / 2


@pytest.mark.parametrize("column", ["flow", "heat", "constant"])
def test_planted_anomalies_stand_out(series, rows, column):
    strange = rows.copy()
    strange.loc[60:63, column] += 15
    scored = series.score(strange, ALPHA)
    worst = scored.loc[scored["score"].idxmax()]
    assert 40 <= scored["score"].idxmax() <= 83
    assert worst["reasons"][0]["column"] == column
    assert_array_equal(scored["score"][120:], series.decision_function(rows)[120:])


def test_saved_and_loaded_it_scores_the_same(series, rows, tmp_path):
    series.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model")
    assert loaded.model_id_ == series.model_id_
    pd.testing.assert_frame_equal(loaded.score(rows, ALPHA), series.score(rows, ALPHA))
    assert loaded.get_params()["pretraining"] == series.pretraining


def test_pickled_and_copied_it_scores_the_same(series, rows):
    expected = series.decision_function(rows)
    for twin in (pickle.loads(pickle.dumps(series)), copy.deepcopy(series)):
        assert_array_equal(twin.decision_function(rows), expected)


def test_drift_is_not_judged(series, rows):
    monitor = series.drift_monitor()
    monitor.add(pa.Table.from_pandas(rows), series.decision_function(rows))
    assert monitor.verdict().verdict == "unknown"
    with pytest.raises(UsageError, match="drift"):
        series.drift_of_stream([])


def test_the_input_is_never_changed_and_scoring_writes_nothing(series, rows):
    frozen, before = rows.copy(deep=True), pickle.dumps(series)
    series.spans(series.score(frozen, ALPHA))
    if series.members:
        series.embed(frozen)
    assert pickle.dumps(series) == before
    clone(series).fit(frozen)
    pd.testing.assert_frame_equal(frozen, rows)


def test_unusual_values_never_fail(series, rows):
    odd = rows.copy()
    odd.loc[:9, "flow"] = [np.nan, 1e308, -1e308, 5e-324, 0.0, -0.0, 1e39, -1e30, np.nan, 1e20]
    odd.loc[120:, "machine"] = "never seen"
    odd["heat"] = np.nan
    scored = series.score(odd, ALPHA)
    assert len(scored) == len(rows)
    assert np.isfinite(scored[["score", "p_value", "p_tail", "risk"]]).all().all()


def test_infinity_is_refused_with_its_row_and_column(series, rows):
    with pytest.raises(InputError, match=r"(?s)flow.*row 1.*inf"):
        series.score(rows.assign(flow=rows["flow"].where(rows.index != 1, np.inf)))


def test_a_missing_column_is_named(series, rows):
    with pytest.raises(InputError, match="'flow'"):
        series.score(rows.drop(columns="flow"))


def test_frames_arrow_and_polars_score_the_same(series, rows):
    import polars

    expected = series.decision_function(rows)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    assert_array_equal(series.decision_function(table), expected)
    assert_array_equal(series.decision_function(polars.from_arrow(table)), expected)


def test_a_budget_gives_as_many_alerts(series, rows):
    assert series.score(rows, policy="budget=7")["alert"].sum() == 7


def test_labels_are_never_read(series, normal, rows):
    schema = Schema((*COLUMNS, Column("failed", "numeric", "double", "label")))
    made = clone(series).set_params(schema=schema).fit(normal.assign(failed=np.arange(len(normal)) % 2))
    assert_array_equal(made.decision_function(rows), series.decision_function(rows))
