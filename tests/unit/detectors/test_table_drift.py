import numpy as np
import pandas as pd
import pytest

from anomaly_cl.detectors.drift import compared_columns
from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError
from anomaly_cl.scoring.drift_verdict import Verdict


def payments(n_rows, seed, factor=1.0, channels=("card", "cash", "online")):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "booked_at": pd.Timestamp("2026-03-02") + pd.to_timedelta(np.sort(rng.uniform(0, 20_000, n_rows)), unit="min"),
        "amount": np.exp(rng.normal(3, 0.5, n_rows)) * factor,
        "items": rng.poisson(3, n_rows),
        "channel": rng.choice(channels, n_rows),
    })


@pytest.fixture(scope="module")
def detector():
    return TabularDetector("none").fit(payments(2_500, 0))


def test_rows_like_those_of_fit_are_fine(detector):
    assert detector.drift(payments(4_000, 1)).verdict is Verdict.FINE


def test_the_time_of_the_rows_is_no_drift(detector):
    assert "booked_at" in detector.schema_.names
    assert [column.name for column in compared_columns(detector.schema_)] == ["amount", "items", "channel"]
    night = payments(4_000, 1).assign(booked_at=pd.Timestamp("2026-08-01 03:00"))
    found = detector.drift(night)
    assert [column.name for column in found.columns if column.name == "booked_at"] == []


def test_the_changed_column_is_named(detector):
    assert detector.drift(payments(4_000, 1, factor=1.3)).moved == ("amount",)
    assert detector.drift(payments(4_000, 1, channels=("card", "cash", "online", "phone"))).moved == ("channel",)


def test_adding_scored_rows_by_hand_gives_the_same_verdict(detector):
    rows = payments(3_000, 1, factor=1.2)
    monitor = detector.drift_monitor()
    for start in range(0, 3_000, 1_000):
        part = detector._read(rows.iloc[start:start + 1_000])
        monitor.add(part, detector.score_table(part).score)
    assert monitor.rows == 3_000
    assert monitor.verdict() == detector.drift(rows)


def test_asking_for_drift_changes_nothing(detector):
    rows = payments(500, 1)
    before = detector.score(rows)
    detector.drift(rows)
    pd.testing.assert_frame_equal(detector.score(rows), before)


def test_a_loaded_model_gives_the_same_verdict(detector, tmp_path):
    detector.save(tmp_path / "model")
    rows = payments(3_000, 1, factor=1.2)
    assert load(tmp_path / "model").drift(rows) == detector.drift(rows)


def test_false_alarms_are_at_their_rate_again_after_a_recalibration(detector):
    shifted = [payments(4_000, seed, factor=2.5) for seed in (1, 2)]
    other = detector.recalibrated(shifted[0])
    before, after = (model.score(shifted[1], policy="alpha=0.05")["alert"].mean() for model in (detector, other))
    assert before > 0.1
    assert after == pytest.approx(0.05, abs=0.017)  # three standard errors of 4,000 rows on 4,000
    assert detector.drift(shifted[1]).verdict is Verdict.RECALIBRATE
    assert other.drift(shifted[1]).verdict is Verdict.FINE


def test_a_recalibration_keeps_scores_and_leaves_the_first_model_as_it_is(detector, tmp_path):
    rows, before = payments(300, 3), detector.score(payments(300, 3))
    other = detector.recalibrated(payments(1_000, 1))
    pd.testing.assert_frame_equal(detector.score(rows), before)
    np.testing.assert_array_equal(other.decision_function(rows), before["score"])
    assert other.model_id_ != detector.model_id_
    assert other.rows_["calibration"] == 1_000 != detector.rows_["calibration"]
    other.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load(tmp_path / "model").score(rows), other.score(rows))


def test_the_same_rows_give_the_same_recalibration(detector):
    rows = payments(1_000, 1)
    one, other = detector.recalibrated(rows), detector.recalibrated(rows)
    assert one.model_id_ == other.model_id_
    assert one.drift(payments(500, 2)) == other.drift(payments(500, 2))


def test_too_few_rows_for_a_recalibration_are_refused(detector):
    with pytest.raises(InputError, match=r"at least 100 normal rows; there are 99"):
        detector.recalibrated(payments(99, 1))
