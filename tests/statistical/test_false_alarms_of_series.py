"""Over many normal series, about a share alpha of new steps has p <= alpha, however much they depend on each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from anomaly_cl.detectors import series_channel
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.scoring.fusion import Surprise

LEVELS = np.array([0.01, 0.1])
COEFFICIENTS = (0.0, 0.5, 0.8, 0.9, 0.95)
ONE_SIDED_99 = 2.33


def autoregressive(rng, coefficient, n_steps):
    noise = rng.normal(size=n_steps) * np.sqrt(1 - coefficient**2)
    noise[0] = rng.normal()
    return lfilter([1], [1, -coefficient], noise)


def shares(n_series, n_steps, coefficients=COEFFICIENTS, **settings):
    """Share of new steps at or under each level (series, levels), as many normal steps before them."""
    found = []
    for seed in range(n_series):
        series = autoregressive(np.random.default_rng(seed), coefficients[seed % len(coefficients)], 2 * n_steps)
        detector = SeriesDetector(random_state=seed, **settings).fit(series[:n_steps])
        p = detector.calibration_.p_value(detector.decision_function(series[n_steps:]))
        found.append((p[:, None] <= LEVELS).mean(axis=0))
    print("mean shares", np.mean(found, axis=0).round(4), "of", n_series)
    return np.array(found)


@pytest.fixture(scope="module")
def of_short_windows():
    return shares(40, 2_000, period=16, members=0)


def test_where_many_windows_are_normal_the_share_under_a_level_is_about_the_level(of_short_windows):
    mean, error = of_short_windows.mean(axis=0), of_short_windows.std(axis=0, ddof=1) / np.sqrt(len(of_short_windows))
    assert (mean <= LEVELS + ONE_SIDED_99 * error).all()
    assert (mean >= 0.5 * LEVELS - ONE_SIDED_99 * error).all()


def test_curves_that_know_the_normal_steps_would_break_the_promise(monkeypatch):
    kept = shares(20, 1_500, (0.95,), period=60, members=0)
    monkeypatch.setattr(series_channel, "cross_surprise", lambda distances, gap: Surprise().fit(distances)(distances))
    broken = shares(20, 1_500, (0.95,), period=60, members=0)
    assert broken.mean(axis=0)[0] > 2 * kept.mean(axis=0)[0]
    assert broken.mean(axis=0)[0] > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("n_steps", [3_000, 10_000])
def test_default_settings_keep_their_rate_on_fifty_series(n_steps):
    assert 0.004 <= shares(50, n_steps).mean(axis=0)[0] <= 0.02
