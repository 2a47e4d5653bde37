"""Comparing models over many data sets, as Demšar proposes (JMLR 7, 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Friedman:
    """Mean ranks (models,), 1 = best, and whether they differ at all: Iman and Davenport's F and its p-value."""

    mean_ranks: np.ndarray
    statistic: float
    p_value: float


def friedman(scores: np.ndarray) -> Friedman:
    """Test of scores (sets, models), higher = better, ties sharing their rank (Demšar 2006, section 3.2.2)."""
    n, k = scores.shape
    ranks = stats.rankdata(-scores, axis=1)
    mean_ranks = ranks.mean(axis=0)
    spread = ((ranks - (k + 1) / 2) ** 2).sum()
    if spread == 0:
        return Friedman(mean_ranks, 0.0, 1.0)
    # chi square with the correction for ties: between-model part of the ranks' own spread
    chi_square = n * n * ((mean_ranks - (k + 1) / 2) ** 2).sum() * (k - 1) / spread
    left = n * (k - 1) - chi_square
    statistic = float((n - 1) * chi_square / left) if left > 1e-9 else float("inf")
    return Friedman(mean_ranks, statistic, float(stats.f.sf(statistic, k - 1, (k - 1) * (n - 1))))


def critical_difference(n_sets: int, n_models: int, alpha: float = 0.05) -> float:
    """Nemenyi's least difference between mean ranks that is significant (Demšar 2006, section 3.2.2)."""
    q = stats.studentized_range.ppf(1 - alpha, n_models, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_models * (n_models + 1) / (6 * n_sets)))


def groups(mean_ranks: np.ndarray, difference: float) -> list[tuple[float, float]]:
    """Spans (first rank, last rank) of models that do not differ; none lies within another.

    >>> groups(np.array([1.0, 1.5, 2.4, 4.0]), 1.0)
    [(1.0, 1.5), (1.5, 2.4)]
    """
    ordered = np.sort(mean_ranks)
    ends = np.searchsorted(ordered, ordered + difference, side="left") - 1
    spans: list[tuple[float, float]] = []
    for start, end in enumerate(ends):
        if end > start and (not spans or ordered[end] > spans[-1][1]):
            spans.append((float(ordered[start]), float(ordered[end])))
    return spans


@dataclass(frozen=True)
class Comparison:
    """One model against another over sets: wins, ties, losses, and the p-value of Wilcoxon's signed-rank test."""

    wins: int
    ties: int
    losses: int
    p_value: float


def compare(ours: np.ndarray, other: np.ndarray) -> Comparison:
    """Compare scores (sets,) of two models, two-sided (Demšar 2006, section 3.1.3); p is 1 where nothing differs."""
    difference = ours - other
    p_value = float(stats.wilcoxon(difference, zero_method="zsplit").pvalue) if difference.any() else 1.0
    return Comparison(int((difference > 0).sum()), int((difference == 0).sum()), int((difference < 0).sum()), p_value)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values (m,) adjusted for m comparisons (Holm 1979).

    >>> holm(np.array([0.04, 0.01, 0.03])).round(2).tolist()
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(p_values)
    adjusted = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    result = np.empty(len(p_values))
    result[order] = np.minimum(adjusted, 1)
    return result
