"""How near p_tail comes to the truth beyond the calibration rows, on distributions whose tails are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.calibration_sample import MOST_BEYOND
from anomaly_cl.scoring.tail_beyond import SMALLEST_P
from anomaly_cl.scoring.tails import fit_pareto
from apps.benchmark.report import markdown

LEVELS = np.array([1e-4, 1e-5, 1e-6])
TRUTHS = {
    "Gaussian": stats.norm(),
    "lognormal": stats.lognorm(1),
    "Student t(3)": stats.t(3),
    "exponential": stats.expon(),
    "Gumbel": stats.gumbel_r(),
    "gamma(20)": stats.gamma(20),
    "Student t(10)": stats.t(10),
    "uniform": stats.uniform(),
    "beta(2, 2)": stats.beta(2, 2),
    "beta(5, 2)": stats.beta(5, 2),
    "beta(2, 5)": stats.beta(2, 5),
}


@dataclass(frozen=True)
class TailAccuracy:
    """Over runs: p_tail over the true level (runs, levels), the same of a generalised Pareto tail alone, the share of
    runs without a tail, and p_tail just beyond the largest row times n + 1 (runs,)."""

    ratios: np.ndarray
    pareto_ratios: np.ndarray
    without_tail: float
    at_largest: np.ndarray


def measure(truth: Any, *, rows: int, runs: int, levels: np.ndarray = LEVELS, seed: int = 0) -> TailAccuracy:
    """Calibrate on `rows` draws from a SciPy distribution, `runs` times, and look at its true quantiles."""
    rng = np.random.default_rng(seed)
    far = truth.isf(levels)
    ratios, pareto, at_largest, without = [], [], [], 0
    for _ in range(runs):
        calibration = Calibration().fit(truth.rvs(size=rows, random_state=rng))
        ordered = calibration.scores_
        ratios.append(calibration.p_tail(far) / levels)
        pareto.append(_pareto_alone(ordered, far) / levels)
        at_largest.append(calibration.p_tail([np.nextafter(ordered[-1], np.inf)])[0] * (rows + 1))
        without += calibration.tail_ is None
    return TailAccuracy(np.array(ratios), np.array(pareto), without / runs, np.array(at_largest))


def _pareto_alone(ordered: np.ndarray, far: np.ndarray) -> np.ndarray:
    n_beyond = min(len(ordered) // 10, MOST_BEYOND)
    threshold = ordered[-n_beyond - 1]
    tail = fit_pareto(ordered[-n_beyond:] - threshold)
    return n_beyond / len(ordered) * np.exp(tail.log_survival(np.maximum(far - threshold, 0)))


def write_tails(out: Path, rows: int, runs: int, tell: Callable[[str], None]) -> Path:
    """Measure all distributions and write tails.md into the folder; returns its path."""
    found = {}
    for name, truth in TRUTHS.items():
        found[name] = measure(truth, rows=rows, runs=runs)
        tell(f"{name}: p_tail over the truth {_medians(found[name].ratios)}")
    lines = [
        f"Measured {date.today()}: {rows:,} calibration rows, {runs} runs; anomaly_cl {version('anomaly_cl')}, "
        f"SciPy {version('scipy')}. Each cell: at true levels {', '.join(f'{level:g}' for level in LEVELS)}.",
        markdown(
            ["scores", "p_tail / truth, median", "median factor off", "p_tail / truth, 5 % quantile",
             "runs without a tail", "generalised Pareto alone, median"],
            ([name, _medians(one.ratios), _factors(one.ratios), _cell(np.quantile(one.ratios, 0.05, axis=0)),
              f"{one.without_tail:.1%}", _medians(one.pareto_ratios)] for name, one in found.items()),
        ),
    ]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "tails.md"
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def _medians(ratios: np.ndarray) -> str:
    return _cell(np.median(ratios, axis=0))


def _factors(ratios: np.ndarray) -> str:
    return _cell(np.exp(np.median(np.abs(np.log(np.maximum(ratios, SMALLEST_P))), axis=0)))


def _cell(values: np.ndarray) -> str:
    return " / ".join(f"{value:.2g}" for value in values)
