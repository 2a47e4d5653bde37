"""Over many files with planted anomalies, the mean share of false alerts stays at or under the level."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.scoring.calibration import p_values
from anomaly_cl.scoring.fdr import Fdr
from anomaly_cl.scoring.policy import ScoredRows
from apps.benchmark.thresholds import SHIFTS, Case, draw, outcome

ONE_SIDED_99 = 2.33
SIZES = [(1_000, 2_000), (2_000, 5_000), (5_000, 10_000)]  # calibration rows, rows to score


def _realised(case: Case, policies: list[Fdr], runs: int, decimals: int = 9) -> np.ndarray:
    """False shares and powers (runs, policies, 2), calibration and rows drawn afresh for each run."""
    seed = zlib.crc32(repr(case).encode())
    found = []
    for run in range(runs):
        drawn = draw(case, np.random.default_rng((seed, run)))
        scores = drawn.scores.round(decimals)
        rows = ScoredRows(p_values(scores, drawn.calibration.round(decimals)), scores)
        found.append([outcome(drawn.labels, policy.alerts(rows)) for policy in policies])
    return np.array(found)


def _assert_at_most(false_shares: np.ndarray, level: float) -> None:
    error = false_shares.std(ddof=1) / np.sqrt(len(false_shares))
    assert false_shares.mean() <= level + ONE_SIDED_99 * error


def _check(difficulty: str, share: float, size: tuple[int, int], runs: int, decimals: int = 9) -> None:
    levels = (0.05, 0.1)
    policies = [Fdr(level, arbitrary) for level in levels for arbitrary in (False, True)]
    found = _realised(Case(share, SHIFTS[difficulty], *size), policies, runs, decimals)
    for policy, one in zip(policies, found.transpose(1, 0, 2), strict=True):
        _assert_at_most(one[:, 0], policy.level)
    if difficulty == "easy" and share >= 3 / (size[0] * levels[1]):  # the calibration is large enough by far
        assert found[:, 2, 1].mean() > 0.85


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("difficulty", list(SHIFTS))
def test_the_false_discovery_rate_holds(difficulty, share, size):
    _check(difficulty, share, size, runs=150)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_the_false_discovery_rate_holds_with_heavy_ties(share):
    _check("hard", share, (2_000, 5_000), runs=150, decimals=0)


def test_rare_anomalies_are_found_at_the_level_once_the_calibration_is_large():
    found = _realised(Case(0.001, SHIFTS["easy"], 40_000, 10_000), [Fdr(0.05), Fdr(0.1)], runs=100)
    for one, level in zip(found.transpose(1, 0, 2), (0.05, 0.1), strict=True):
        _assert_at_most(one[:, 0], level)
        assert one[:, 1].mean() > 0.5


def _detected(n_normal: int, runs: int) -> np.ndarray:
    """False shares and powers (runs, 2) of the whole detector at 0.1, one row in twenty spread eight times as wide."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng((n_normal, run))
        mix = rng.normal(size=(4, 4))
        labels = rng.permutation(1_000) < 50
        rows = rng.standard_t(5, size=(1_000, 4)) * np.where(labels, 8.0, 1.0)[:, None]
        detector = TabularDetector("none", random_state=run).fit(rng.standard_t(5, size=(n_normal, 4)) @ mix)
        alerts = detector.score(rows @ mix, policy="fdr=0.1,share=0.05")["alert"].to_numpy()
        found.append(outcome(labels, alerts))
    return np.array(found)


@pytest.mark.parametrize("n_normal", [600, 2_500], ids=["cross-fitted", "split"])
@pytest.mark.parametrize("runs", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_the_false_discovery_rate_holds_for_the_whole_detector(n_normal, runs):
    found = _detected(n_normal, runs)
    _assert_at_most(found[:, 0], 0.1)
    assert found[:, 1].mean() > 0.5


def test_normal_rows_alone_are_seldom_alerted_at_all():
    rng = np.random.default_rng(0)
    any_alert = [Fdr(0.1).alerts(ScoredRows(p_values(rng.normal(size=2_000), rng.normal(size=1_000)),
                                            np.zeros(2_000))).any() for _ in range(400)]
    _assert_at_most(np.array(any_alert, float), 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("difficulty", list(SHIFTS))
def test_the_false_discovery_rate_holds_over_thousands_of_files(difficulty, share, size):
    _check(difficulty, share, size, runs=3_000)
