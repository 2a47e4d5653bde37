"""Explanations of steps of series: which channels made a step strange, and which would have to be silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.clauses import printable, ratio, rounded, sentence, told, worth_telling
from anomaly_cl.detectors.differing import differs, is_missing
from anomaly_cl.detectors.explaining import Judgement, in_words
from anomaly_cl.detectors.explanation import Change, Clause, Contribution, Counterfactual, Explanation
from anomaly_cl.detectors.series_table import USUAL
from anomaly_cl.scoring.counterfactual import fewest_changes
from anomaly_cl.scoring.explain import Cells

SURPRISES = "surprises"


def surprise_cells(surprise: np.ndarray) -> Cells:
    """Surprise (steps, channels) as cells; NaN where a channel was not measured."""
    return Cells({SURPRISES: surprise}, {SURPRISES: np.arange(surprise.shape[1])}, SURPRISES)


def step_explanations(
    rows: pa.Table | pa.RecordBatch, channels: Sequence[str], surprise: np.ndarray,
    reasons: Sequence[Sequence[dict[str, Any]]], judgement: Judgement,
) -> list[Explanation]:
    """An explanation of each step row, given the surprise (steps, channels) of its channels and its reasons."""
    cells, p_values = surprise_cells(surprise), judgement.p_value(judgement.scores, np.arange(len(surprise)))
    silent = fewest_changes(judgement.score, cells, surprise_cells(np.zeros(surprise.shape)), judgement.thresholds,
                            np.ones(len(channels), bool))
    p_after, explained = judgement.p_value(silent.score, np.arange(len(surprise))), []
    for row, found in enumerate(reasons):
        score, p_value, threshold = (float(each[row]) for each in (judgement.scores, p_values, judgement.thresholds))
        each_said = [(reason["contribution"], Clause(reason["column"], _clause(rows, row, reason["column"])))
                     for reason in found]
        clauses = worth_telling(each_said, score >= threshold)
        way = None
        if score >= threshold and silent.reached[row]:
            changes = tuple(_silenced(channels[j], float(surprise[row, j]))
                            for j in np.flatnonzero(silent.changed[row]).tolist())
            way = Counterfactual(changes, float(silent.score[row]), float(p_after[row]),
                                 in_words(changes, float(p_after[row])))
        explained.append(Explanation(
            sentence(clauses, score >= threshold, p_value, "steps"), clauses, score, p_value, threshold,
            judgement.level, tuple(Contribution(**reason) for reason in found), (), (), way))
    return explained


def _silenced(channel: str, surprise: float) -> Change:
    return Change(channel, surprise, 0.0, f"{printable(channel)} as usual")


def _clause(rows: pa.Table | pa.RecordBatch, row: int, channel: str) -> str:
    """A channel's reading beside what it usually shows: where these are alike, it is its course that is strange."""
    value, usual = (rows.column(name)[row].as_py() for name in (channel, USUAL + channel))
    name, usual = printable(channel), rounded(usual)
    if is_missing(value):
        return f"{name} without a reading, usually {told(usual)}"
    if not differs(value, usual):
        return f"an unusual course of {name} (now {told(rounded(value))}, usually {told(usual)})"
    times = ratio(value, usual)
    if times is not None:
        return f"{name} {told(rounded(value))} is {times} its usual {told(usual)}"
    return f"{name} {told(rounded(value))}, usually {told(usual)}"
