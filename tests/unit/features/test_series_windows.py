import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import UsageError
from anomaly_cl.features.windows import (
    LONGEST_LAG,
    NO_PERIOD,
    WindowPlan,
    autocorrelation,
    distinct,
    repeating_length,
    step_means,
)


@pytest.mark.parametrize(("length", "points"), [(2, 2), (3, 2), (20, 64), (64, 64), (65, 64), (100, 64), (301, 7)])
def test_windows_are_the_series_between_steps_by_interpolation(length, points):
    values, plan = np.random.default_rng(0).normal(size=900), WindowPlan(length, 3, points)
    starts = plan.starts(len(values))
    places = np.arange(length) if length <= points else np.linspace(0, length - 1, points)
    expected = [np.interp(start + places, np.arange(len(values)), values) for start in starts]
    cut = plan.cut(values, starts)
    assert cut.dtype == np.float32
    assert cut.shape == (len(starts), plan.width)
    assert_allclose(cut, expected, atol=1e-6)


def test_windows_start_every_stride_and_end_with_the_series():
    assert WindowPlan(4, 3).starts(10).tolist() == [0, 3, 6]
    assert WindowPlan(4, 3).starts(11).tolist() == [0, 3, 6, 7]
    assert WindowPlan(4, 9).starts(4).tolist() == [0]


@pytest.mark.parametrize("chunk", [2, 100])
@pytest.mark.parametrize("plan", [WindowPlan(5), WindowPlan(12, 2, 4)])
def test_measured_windows_are_those_without_a_missing_value(plan, chunk, monkeypatch):
    monkeypatch.setattr("anomaly_cl.features.windows.CHUNK", chunk)
    values = np.arange(60.0)
    values[[7, 30, 31, 59]] = np.nan
    starts = plan.starts(60)
    expected = [start for start in starts if not np.isnan(plan.cut(values, np.array([start]))).any()]
    assert 0 < len(expected) < len(starts)
    assert plan.measured(values, starts).tolist() == expected
    assert plan.measured(np.zeros(60), starts).tolist() == starts.tolist()
    assert plan.measured(values, starts[:0]).tolist() == []


def test_a_series_shorter_than_a_window_has_none():
    plan = WindowPlan(4)
    assert plan.starts(3).shape == (0,)
    assert plan.cut(np.ones(3), plan.starts(3)).shape == (0, 4)
    assert np.isnan(step_means(np.zeros(0), plan.starts(3), 4, 3)).all()


def test_a_window_that_meets_a_missing_value_is_missing_there():
    values = np.arange(30.0)
    values[10] = np.nan
    cut = WindowPlan(4).cut(values, np.arange(27))
    assert_array_equal(np.isnan(cut).any(axis=1), (np.arange(27) > 6) & (np.arange(27) <= 10))


@pytest.mark.parametrize("sizes", [(1, 1, 64), (2, 0, 64), (2, 1, 1)])
def test_plans_without_a_size_are_refused(sizes):
    with pytest.raises(UsageError, match="2 steps"):
        WindowPlan(*sizes)


@pytest.mark.parametrize("stride", [1, 3, 8])
def test_step_means_equal_the_double_loop(stride):
    rng, plan = np.random.default_rng(1), WindowPlan(8, stride)
    starts = plan.starts(50)
    scores = rng.normal(size=len(starts))
    scores[::4] = np.nan
    expected = np.full(50, np.nan)
    for step in range(50):
        covering = [score for start, score in zip(starts, scores, strict=True)
                    if start <= step < start + 8 and np.isfinite(score)]
        if covering:
            expected[step] = np.mean(covering)
    assert_allclose(step_means(scores, starts, 8, 50), expected)


def test_step_means_of_more_windows_than_are_added_at_once_equal_the_loop():
    length = 1 << 14  # 256 windows at once, then the rest
    scores, starts = np.random.default_rng(2).normal(size=300), np.arange(300)
    whole = step_means(scores, starts, length, 300 + length - 1)
    assert_allclose(whole[:300], np.cumsum(scores) / np.arange(1, 301))
    assert_allclose(whole[length:], [scores[first + 1:].mean() for first in range(299)])


def test_the_autocorrelation_equals_the_loop():
    x = np.random.default_rng(3).normal(size=150).cumsum()
    away = x - x.mean()
    expected = [(away[:len(x) - lag] * away[lag:]).sum() / (away**2).sum() for lag in range(41)]
    assert_allclose(autocorrelation(x, 40), expected, atol=1e-12)


def test_the_autocorrelation_of_a_constant_is_0():
    assert_array_equal(autocorrelation(np.full(60, 0.1), 20), np.zeros(21))


def test_the_autocorrelation_of_a_short_series_is_as_long_as_it():
    assert len(autocorrelation(np.arange(10.0))) == 10


@pytest.mark.parametrize("period", [10, 25, 50, 130])
def test_a_wave_is_spanned_by_two_of_its_periods(period):
    wave = np.sin(2 * np.pi * np.arange(20 * period) / period)
    assert abs(repeating_length(autocorrelation(wave)) - 2 * period) <= 2


def test_a_wave_whose_second_repeat_is_too_far_is_spanned_by_one():
    wave = np.sin(2 * np.pi * np.arange(4_000) / 250)
    assert repeating_length(autocorrelation(wave)) == pytest.approx(250, abs=3)


def peaks_at(**heights):
    correlation = np.full(LONGEST_LAG + 1, -0.5)
    for lag, height in heights.items():
        correlation[int(lag[1:])] = height
    return correlation


def test_of_peaks_the_highest_beyond_the_highest_counts():
    assert repeating_length(peaks_at(_20=0.4, _30=0.9, _60=0.5, _90=0.6)) == 90
    assert repeating_length(peaks_at(_20=0.4, _90=0.9)) == 90
    assert repeating_length(peaks_at(_120=0.9, _390=0.1)) == 390


@pytest.mark.parametrize("correlation", [np.zeros(0), np.zeros(4), np.linspace(1, 0, 401), peaks_at(_350=0.9)],
                         ids=["none", "short", "no peak", "too long"])
def test_without_a_fitting_peak_a_window_has_the_usual_length(correlation):
    assert repeating_length(correlation) == NO_PERIOD


def test_distinct_windows_give_all_windows_back():
    windows = np.random.default_rng(0).integers(0, 2, size=(200, 4)).astype(np.float32)
    different, which = distinct(windows)
    assert len(different) == len({tuple(window) for window in windows.tolist()})
    assert_array_equal(different[which], windows)
    assert len(distinct(windows[:0])[0]) == 0


def test_distinct_windows_differ_in_any_bit():
    windows = np.array([[0.0, 1.0], [np.float32(1e-45), 1.0], [0.0, 1.0]], np.float32)
    assert len(distinct(windows)[0]) == 2
