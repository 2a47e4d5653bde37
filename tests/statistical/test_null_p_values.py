"""Over many splits of normal data, no more p-values of the whole detector fall under a level than the level says."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.pretraining.settings import TrainingSettings

NEW_ROWS = 200
LEVELS = np.array([0.001, 0.01, 0.05, 0.1])
ONE_SIDED_99 = 2.33
PUBLIC = ("2_annthyroid", "6_cardio", "19_landsat", "22_magic.gamma", "28_pendigits", "38_thyroid", "41_Waveform",
          "47_yeast")
SHORT = TrainingSettings(max_steps=30, steps_per_epoch=30)


def _simulated(rng, n_rows, ties):
    rows = rng.standard_t(4, size=(n_rows, 4)) @ rng.normal(size=(4, 4))
    return rows.round(0) if ties else rows


def _assert_promise(draw, splits, *, pretraining="none", calibration, ties=False):
    """`draw(seed)` gives normal rows to learn from and others; prints the mean share under each level."""
    shares, n_calibration = [], 0
    for seed in range(splits):
        rows, new = draw(seed)
        detector = TabularDetector(pretraining, seed, calibration=calibration, training=SHORT).fit(rows)
        p = detector.calibration_.p_value(detector.decision_function(new))
        shares.append((p[:, None] <= LEVELS).mean(axis=0))
        n_calibration = detector.calibration_.n_rows_
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(splits)
    print(f"{calibration}, {n_calibration} calibration rows:", dict(zip(LEVELS.tolist(), mean.round(5), strict=True)))
    assert (mean <= LEVELS + ONE_SIDED_99 * error).all()
    if not ties:  # no power is given away
        usable = 10 / (n_calibration + 1) <= LEVELS
        assert (mean >= 0.9 * LEVELS - ONE_SIDED_99 * error)[usable].all()


@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
@pytest.mark.parametrize(("n_rows", "calibration"), [(150, "cross"), (150, "split"), (1_000, "split")])
def test_null_p_values_of_the_whole_detector_are_super_uniform(n_rows, calibration, ties):
    def draw(seed):
        return np.split(_simulated(np.random.default_rng(seed), n_rows + NEW_ROWS, ties), [n_rows])

    _assert_promise(draw, 40, calibration=calibration, ties=ties)


@pytest.mark.parametrize("calibration", [pytest.param("cross", marks=pytest.mark.slow), "split"])
def test_a_learned_metric_breaks_no_promise(calibration):
    def draw(seed):
        return np.split(_simulated(np.random.default_rng(seed), 120 + NEW_ROWS, ties=False), [120])

    _assert_promise(draw, 10, pretraining="neighbours", calibration=calibration)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize(("n_rows", "calibration"), [(60, "cross"), (300, "cross"), (600, "split")])
def test_null_p_values_on_public_data_are_super_uniform(shared_data, name, n_rows, calibration):
    with np.load(shared_data / "adbench" / f"{name}.npz", allow_pickle=True) as data:
        normal = np.nan_to_num(data["X"].astype(float))[data["y"].ravel() == 0]

    def draw(seed):
        order = np.random.default_rng(seed).permutation(len(normal))[:n_rows + NEW_ROWS]
        return np.split(normal[order], [n_rows])

    ties = len(np.unique(normal, axis=0)) < 0.99 * len(normal)
    _assert_promise(draw, 200, calibration=calibration, ties=ties)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["6_cardio", "41_Waveform"])
def test_null_p_values_of_learned_metrics_on_public_data_are_super_uniform(shared_data, name):
    with np.load(shared_data / "adbench" / f"{name}.npz", allow_pickle=True) as data:
        normal = np.nan_to_num(data["X"].astype(float))[data["y"].ravel() == 0]

    def draw(seed):
        order = np.random.default_rng(seed).permutation(len(normal))[:300 + NEW_ROWS]
        return np.split(normal[order], [300])

    _assert_promise(draw, 40, pretraining="neighbours", calibration="cross")
