from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.features.windows import step_means
from apps.benchmark.series import models as of_series
from apps.benchmark.series.models import MeasuredModel, choose, models
from apps.benchmark.series.peers.matrix_profile import PrefixProfile
from apps.benchmark.series.peers.of_pyod import Transductive
from apps.benchmark.series.peers.sub_pca import SubPCA
from apps.benchmark.series.peers.windows import Units, cut, rank_2_period, window_length

PEERS = [name for name in models() if not name.startswith("ours")]
NOT_CONSTANT = ("MatrixProfile", "SpectralResidual")  # PyOD's, which break on a channel that is constant
PERIOD, TRAIN_END, STEPS = 25, 400, 900
ANOMALY = slice(700, 725)


def made_series(n_channels: int) -> np.ndarray:
    """Noisy waves of period 25 (steps, channels); from step 700 on, one wave runs at three times the pace."""
    rng, steps = np.random.default_rng(3), np.arange(STEPS)
    phases = np.linspace(0, 2, n_channels)
    series = np.sin(2 * np.pi * steps[:, None] / PERIOD + phases) + 0.1 * rng.normal(size=(STEPS, n_channels))
    series[ANOMALY] = 1.5 * np.sin(6 * np.pi * steps[ANOMALY, None] / PERIOD + phases)
    if n_channels > 2:
        series[:, 2] = 7.0  # a channel that says nothing
    return series


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> tuple[str, MeasuredModel]:
    model = models()[request.param]
    if model.missing:
        pytest.skip(f"{request.param}: {model.missing}")
    return request.param, model


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_planted_anomaly_has_the_highest_score(peer: tuple[str, MeasuredModel], n_channels: int) -> None:
    name, model = peer
    series = made_series(n_channels)
    if name in NOT_CONSTANT:
        series = series[:, :2]
    if name == "SpectralResidual":
        series[712] = 6  # it sees single readings, and hardly anything else
    before = series.copy()
    detector = model.make(0)
    detector.fit(series[:TRAIN_END])
    scores = np.asarray(detector.decision_function(series))
    np.testing.assert_array_equal(series, before)
    assert scores.shape == (STEPS,)
    assert np.isfinite(scores).all()
    assert ANOMALY.start - PERIOD <= scores.argmax() <= ANOMALY.stop + PERIOD


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # PyOD's own, of inf - inf
def test_infinite_distances_of_flat_stretches_become_the_largest_finite_one() -> None:
    series = made_series(1)
    series[100:200] = 0
    scores = Transductive("ts_matrix_profile.MatrixProfile", {}).fit(series).decision_function(series)
    assert np.isfinite(scores).all()
    assert scores[150] == scores.max()


def test_sub_pca_equals_the_distance_of_mahalanobis() -> None:
    series = made_series(1)
    detector = SubPCA().fit(series[:TRAIN_END])
    windows = np.stack([detector.units_.apply(series)[i:i + detector.length_, 0]
                        for i in range(STEPS - detector.length_ + 1)])
    normal = windows[:TRAIN_END - detector.length_ + 1]
    inverse, less = np.linalg.inv(np.cov(normal, rowvar=False)), windows - normal.mean(axis=0)
    distances = np.array([row @ inverse @ row for row in less])
    slow = [distances[max(0, t - detector.length_ + 1):t + 1].mean() for t in range(STEPS)]
    np.testing.assert_allclose(detector.decision_function(series), slow, rtol=1e-6)


def test_the_matrix_profile_equals_the_double_loop() -> None:
    pytest.importorskip("stumpy", reason="there is no stumpy, which is optional")
    series = made_series(1)[:500]
    detector = PrefixProfile().fit(series[:200])
    length = detector.length_

    def windows(x: np.ndarray) -> np.ndarray:
        found = np.lib.stride_tricks.sliding_window_view(x[:, 0], length)
        return (found - found.mean(axis=1, keepdims=True)) / found.std(axis=1, keepdims=True)

    profile = np.array([np.linalg.norm(windows(series[:200]) - row, axis=1).min() for row in windows(series)])
    slow = step_means(profile, np.arange(len(profile)), length, 500)
    np.testing.assert_allclose(detector.decision_function(series), slow, atol=1e-5)


def test_rank_2_period_is_the_higher_of_the_longer_peaks() -> None:
    steps = np.arange(2_000)
    wave = np.sin(2 * np.pi * steps / 40)
    assert rank_2_period(wave) == 80
    assert rank_2_period(np.ones(500)) == rank_2_period(np.arange(500.0)) == 125
    assert rank_2_period(np.sin(2 * np.pi * steps / 320)) == 125
    assert window_length(wave[:, None], 200) == 50
    assert window_length(wave[:, None], 20) == 8


@pytest.mark.parametrize(("length", "stride", "points"), [(10, 3, None), (10, 3, 4), (64, 7, 64)])
def test_windows_equal_the_loop_over_starts(length: int, stride: int, points: int | None) -> None:
    series = np.random.default_rng(0).normal(size=(101, 2))
    starts, windows = cut(series, length, stride, points)
    slow_starts = sorted({*range(0, 101 - length + 1, stride), 101 - length})
    assert starts.tolist() == slow_starts
    places = np.linspace(0, length - 1, min(points or length, length))
    for start, window in zip(slow_starts, windows, strict=True):
        for channel in range(2):
            slow = np.interp(places, np.arange(length), series[start:start + length, channel])
            np.testing.assert_allclose(window[channel], slow, atol=1e-12)


def test_a_constant_channel_keeps_its_units() -> None:
    units = Units.of(np.column_stack([np.full(5, 3.0), np.arange(5.0)]))
    np.testing.assert_allclose(units.apply(np.array([[4.0, 2.0]])), [[1.0, 0.0]])


def test_models_that_cannot_be_measured_are_left_out_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = MeasuredModel(partial(_never, "absent"), "pyod", needs="no_such_package")
    monkeypatch.setattr(of_series, "models", lambda: {**models(), "absent": absent})
    said: list[str] = []
    assert list(choose(["absent", "1-NN-centred"], said.append)) == ["1-NN-centred"]
    assert said == ["absent is left out: no_such_package is not installed"]
    with pytest.raises(UsageError, match="other models"):
        choose(["absent"], said.append)
    with pytest.raises(UsageError, match="KNN-7"):
        choose(["KNN-7"], said.append)


def test_ours_are_left_out_where_the_package_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_series, "DETECTOR", "anomaly_cl.errors:no_detector")
    said: list[str] = []
    assert "ours" not in choose(["ours", "KMeansAD"], said.append)
    assert "no_detector" in said[0]


def test_ours_hear_of_their_settings_and_their_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_series, "DETECTOR", f"{__name__}:made_detector")
    known = models()
    assert known["ours"].make(4) == {"random_state": 4}
    assert known["ours-untrained"].make(1) == {"random_state": 1, "members": 0}
    assert known["ours-without-level"].make(0) == {"random_state": 0, "without": ("level",)}
    assert known["ours-simclr"].make(0) == {"random_state": 0, "pretraining": "simclr"}
    assert not known["ours"].missing


def made_detector(**settings: object) -> dict[str, object]:
    return settings


def _never(name: str, seed: int) -> Callable[[], None]:
    raise AssertionError(f"{name} must not be made")
