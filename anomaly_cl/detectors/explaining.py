"""Explanations of scored rows: contributions, pairs, nearest normal rows and counterfactuals, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cl.detectors.clauses import MOST_CLAUSES, sentence, worth_telling
from anomaly_cl.detectors.explanation import (
    Change,
    Contribution,
    Counterfactual,
    Explanation,
    Neighbour,
    PairContribution,
)
from anomaly_cl.detectors.reasons import Donors, RowWords, Typical
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.counterfactual import Changes, fewest_changes
from anomaly_cl.scoring.explain import Cells, pair_contributions

LITTLE = 0.5  # of a score's excess over the threshold: if no column falls it by as much, pairs are tried
MOST_PAIRS = 3


@dataclass(frozen=True)
class Judgement:
    """How rows are judged: a score of cells, the p-value of (scores, positions of their rows), and the rows' scores and
    thresholds (rows,) at a level.
    """

    score: Callable[[Cells], np.ndarray]
    p_value: Callable[[np.ndarray, np.ndarray], np.ndarray]
    scores: np.ndarray
    thresholds: np.ndarray
    level: float


def explanations(
    found: Typical, words: RowWords, judgement: Judgement, may_change: np.ndarray,
    neighbours: Sequence[tuple[Neighbour, ...]],
) -> list[Explanation]:
    """An explanation of each row. A counterfactual takes the cells of typical rows, or of an ordinary row if that needs
    fewer, among the columns that may change (columns,).
    """
    scores, every = judgement.scores, np.arange(len(judgement.scores))
    p_values, pairs = judgement.p_value(scores, every), _pairs(found, judgement)
    ways = _ways(found, words, judgement, may_change)
    explained = []
    for row in every.tolist():
        score, p_value, threshold = float(scores[row]), float(p_values[row]), float(judgement.thresholds[row])
        clauses = worth_telling(words.clauses(row, MOST_CLAUSES), score >= threshold)
        explained.append(Explanation(
            sentence(clauses, score >= threshold, p_value), clauses, score, p_value, threshold, judgement.level,
            tuple(Contribution(**reason) for reason in words.reasons(row)), pairs.get(row, ()), neighbours[row],
            ways.get(row)))
    return explained


def _pairs(found: Typical, judgement: Judgement) -> dict[int, tuple[PairContribution, ...]]:
    """The pairs that explain more than any single column, of rows that no single column brings half-way down."""
    excess, best = judgement.scores - judgement.thresholds, found.falls.max(axis=1, initial=0)
    rows = np.flatnonzero((excess >= 0) & (best < LITTLE * excess))
    if not len(rows) or found.falls.shape[1] < 2:
        return {}
    pairs, falls = pair_contributions(judgement.score, found.cells.take(rows), found.bank, found.contributions[rows])
    return {
        int(row): tuple(PairContribution(found.names[pairs[place, pair, 0]], found.names[pairs[place, pair, 1]],
                                         float(falls[place, pair]))
                        for pair in np.argsort(-falls[place], kind="stable")[:MOST_PAIRS]
                        if falls[place, pair] > best[row])
        for place, row in enumerate(rows)
    }


def _ways(
    found: Typical, words: RowWords, judgement: Judgement, may_change: np.ndarray
) -> dict[int, Counterfactual]:
    """The counterfactual of each row at or over its threshold that has one."""
    rows = np.flatnonzero(judgement.scores >= judgement.thresholds)
    ways: dict[int, tuple[Donors, Changes, int]] = {}
    for donors in (found.donors, found.ordinary):
        changes = fewest_changes(judgement.score, found.cells.take(rows), donors.cells.take(rows),
                                 judgement.thresholds[rows], may_change)
        for place, row in enumerate(rows.tolist()):
            if changes.reached[place] and (row not in ways or _size(changes, place) < _size(*ways[row][1:])):
                ways[row] = donors, changes, place
    told = {}
    for row, (donors, changes, place) in ways.items():
        after = changes.score[place:place + 1]
        made = tuple(words.change(row, int(column), donors) for column in np.flatnonzero(changes.changed[place]))
        p_value = float(judgement.p_value(after, np.array([row]))[0])
        told[row] = Counterfactual(made, float(after[0]), p_value, in_words(made, p_value))
    return told


def _size(changes: Changes, place: int) -> tuple[int, float]:
    return int(changes.changed[place].sum()), float(changes.score[place])


def in_words(changes: Sequence[Change], p_value: float) -> str:
    """A counterfactual as a sentence."""
    texts = [change.words for change in changes]
    joined = texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1]
    return f"With {joined}, it would not be unusual (p-value {p_value:.2g})"


def require_level(level: Any, k: Any) -> None:
    """Raises UsageError unless the level is a rate and k a number of rows."""
    if not (isinstance(level, int | float) and 0 < level < 1):
        raise UsageError("level is a rate between 0 and 1", f"it is {level!r}", "use for example 0.01")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
        raise UsageError("k is a number of neighbours, 0 or more", f"it is {k!r}", "use for example 5")
