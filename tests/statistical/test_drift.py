"""Streams without drift hardly ever get "recalibrate", and a moderate drift is found soon."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.scoring.drift import DriftMonitor, DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, Verdict

COLUMNS = 10
NAMES = tuple(f"x{i}" for i in range(COLUMNS))
SHIFT = 0.5  # standard deviations


def _rows(rng, n_rows, mixing, ties):
    """Correlated rows with heavy tails; `ties` leaves every second column few values, and the score too."""
    numbers = rng.standard_t(5, size=(n_rows, COLUMNS)) @ mixing
    numbers /= np.sqrt(5 / 3 * np.square(mixing).sum(axis=0))  # unit variance
    if ties:
        numbers[:, ::2] = numbers[:, ::2].round()
    scores = np.square(numbers).sum(axis=1)
    return (scores.round() if ties else scores), numbers


def _mixing(rng):
    return np.eye(COLUMNS) + 0.3 * rng.normal(size=(COLUMNS, COLUMNS))


def _ever(seed, n_calibration, n_rows, ties, looks):
    """Whether a stream without drift ever gets "recalibrate", and ever reaches the level whatever its size."""
    rng = np.random.default_rng(seed)
    mixing = _mixing(rng)
    monitor = DriftMonitor(DriftReference().fit(*_rows(rng, n_calibration, mixing, ties), NAMES, rng.spawn(1)[0]))
    monitor._score_ties, monitor._ties = rng.spawn(2)  # else all streams would share their tie-breakers
    told = sure = False
    for _ in range(looks):
        monitor.add(*_rows(rng, n_rows // looks, mixing, ties))
        verdict = monitor.verdict()
        told |= verdict.verdict is Verdict.RECALIBRATE
        sure |= verdict.chance <= LEVEL
    return told, sure


def _assert_level_kept(streams, **stream):
    told, sure = np.array([_ever(seed, **stream) for seed in range(streams)]).sum(axis=0)
    most = binom.ppf(0.99, streams, LEVEL)
    print(f"{stream}: of {streams} streams {told} ever recalibrate, {sure} ever at the level")
    assert told <= most
    assert sure <= most


@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
def test_at_most_one_stream_in_a_hundred_ever_asks_for_a_new_calibration(ties):
    _assert_level_kept(250, n_calibration=300, n_rows=4_000, ties=ties, looks=16)


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
@pytest.mark.parametrize("n_calibration", [100, 1_000, 10_000])
def test_at_most_ten_of_a_thousand_streams_ever_ask_for_a_new_calibration(n_calibration, ties):
    _assert_level_kept(1_000, n_calibration=n_calibration, n_rows=10_000, ties=ties, looks=20)


def _rows_until_found(seed, n_calibration, ties):
    """How many rows it takes, asked every 100, to find a shift in one column; infinity if more than 5,000."""
    rng = np.random.default_rng(1_000 + seed)
    mixing, moved = _mixing(rng), seed % COLUMNS
    monitor = DriftMonitor(DriftReference().fit(*_rows(rng, n_calibration, mixing, ties), NAMES, rng.spawn(1)[0]))
    monitor._score_ties, monitor._ties = rng.spawn(2)
    while monitor.rows < 5_000:
        _, numbers = _rows(rng, 100, mixing, ties=False)
        numbers[:, moved] += SHIFT
        if ties:
            numbers[:, ::2] = numbers[:, ::2].round()
        scores = np.square(numbers).sum(axis=1)
        monitor.add(scores.round() if ties else scores, numbers)
        verdict = monitor.verdict()
        if verdict.verdict is Verdict.RECALIBRATE and NAMES[moved] in verdict.moved:
            return monitor.rows
    return np.inf


def _assert_found(streams, n_calibration, ties, share=1.0):
    needed = np.sort([_rows_until_found(seed, n_calibration, ties) for seed in range(streams)])
    found = np.isfinite(needed)
    print(f"{n_calibration} calibration rows, ties {ties}: of {streams} shifts {found.sum()} found within 5,000 rows, "
          f"after {needed[streams // 2 - 1]:.0f} in the median, {needed[found].max():.0f} at most")
    assert found.mean() >= share


@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
@pytest.mark.parametrize("n_calibration", [400, 2_000])
def test_half_a_standard_deviation_in_one_of_ten_columns_is_found_within_5000_rows(n_calibration, ties):
    _assert_found(20, n_calibration, ties)


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
@pytest.mark.parametrize(("n_calibration", "share"), [(100, 0.3), (200, 0.85), (400, 1), (1_000, 1), (5_000, 1)])
def test_such_a_shift_is_found_the_surer_the_more_calibration_rows_there_are(n_calibration, share, ties):
    _assert_found(100, n_calibration, ties, share)


@pytest.mark.parametrize(("n_rows", "fits"), [(600, 20), (2_500, 6)])
def test_the_whole_detector_finds_a_shift_and_none_where_there_is_none(n_rows, fits):
    told = found = 0
    for seed in range(fits):
        rng = np.random.default_rng(seed)
        rows = _rows(rng, n_rows + 5_000, _mixing(rng), ties=False)[1]
        detector = TabularDetector("none", random_state=seed).fit(rows[:n_rows])
        new = rows[n_rows:]
        told += detector.drift(new).verdict is Verdict.RECALIBRATE
        new[:, seed % COLUMNS] += SHIFT
        found += f"x{seed % COLUMNS}" in detector.drift(new).moved
    print(f"{n_rows} normal rows: of {fits} detectors {told} told without drift, {found} found the shift")
    assert told <= binom.ppf(0.99, fits, LEVEL)
    assert found >= 0.9 * fits
