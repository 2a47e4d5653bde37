"""From alerted steps to spans, and how well found spans meet true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector


@dataclass(frozen=True)
class SpanRules:
    """Alerted runs with fewer than `merge_gap` quiet steps between are one span; under `shortest` steps it is dropped.

    `SpanRules(1, 1)` merges and drops nothing. The quiet steps inside a merged span count in its length.
    """

    merge_gap: int
    shortest: int

    def __post_init__(self) -> None:
        for name in ("merge_gap", "shortest"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name} is a number of steps, 1 or more", f"it is {value!r}", "correct it")


@dataclass(frozen=True)
class Span:
    """Positions of the first and last step, both inside, and of the step with the highest score."""

    start: int
    end: int
    peak: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.peak <= self.end:
            raise InputError("a span starts at 0 or later, and its peak lies within", f"it is {self}",
                             "give positions in order")

    def __len__(self) -> int:
        return self.end - self.start + 1


@dataclass(frozen=True)
class SpanQuality:
    """Shares 0..1; NaN where there is nothing to take a share of."""

    precision: float
    recall: float
    recall_by_kind: dict[str, float] = field(default_factory=dict)


def find_spans(alert: ArrayLike, score: ArrayLike, rules: SpanRules) -> list[Span]:
    """Spans of the alerted steps, in time's order; alert (time,) bool and score (time,) of steps at a regular pace.

    Merged first, dropped then. The peak is the first step of the highest score in the span. InputError if the arrays
    differ in length, alert is not bool, or a score is not finite.

    >>> find_spans(np.array([1, 0, 1, 0, 0, 0, 1], bool), [5, 0, 7, 0, 0, 0, 9], SpanRules(merge_gap=2, shortest=2))
    [Span(start=0, end=2, peak=2)]
    """
    alert, score = np.asarray(alert), finite_vector(score)
    if alert.dtype != np.bool_ or alert.shape != score.shape:
        raise InputError("alert says yes or no for each score", f"it holds {alert.dtype} of shape {alert.shape}, "
                         f"for {len(score)} scores", "give a bool for each step")
    steps = np.flatnonzero(alert)
    if not len(steps):
        return []
    parted = np.flatnonzero(np.diff(steps) > rules.merge_gap)  # n quiet steps between two alerted ones part by n + 1
    starts, ends = steps[np.r_[0, parted + 1]].tolist(), steps[np.r_[parted, len(steps) - 1]].tolist()
    return [Span(start, end, start + int(np.argmax(score[start:end + 1])))
            for start, end in zip(starts, ends, strict=True) if end - start + 1 >= rules.shortest]


def span_quality(found: Sequence[Span], true: Sequence[Span], kinds: Sequence[str] | None = None) -> SpanQuality:
    """Precision = share of found spans that meet a true one, recall = share of true spans that a found one meets.

    Spans meet if they share a step. The recall is that of existence in Tatbul et al. 2018, "Precision and recall for
    time series" (alpha = 1, overlap unrewarded); the precision is its mirror image. A single found span over all time
    scores 1 and 1: read both with the share of steps in spans. `kinds` names the kind of each true span; recall is
    then also given by kind.

    >>> span_quality([Span(0, 4, 1), Span(8, 9, 8)], [Span(3, 6, 3), Span(20, 22, 20)], kinds=["spike", "drift"])
    SpanQuality(precision=0.5, recall=0.5, recall_by_kind={'drift': 0.0, 'spike': 1.0})
    """
    recalled = _met(true, found)
    if kinds is None:
        return SpanQuality(_share(_met(found, true)), _share(recalled))
    if len(kinds) != len(true):
        raise InputError("each true span has a kind", f"there are {len(true)} spans and {len(kinds)} kinds",
                         "give one kind a span")
    names = np.array(kinds, dtype=object)
    return SpanQuality(_share(_met(found, true)), _share(recalled),
                       {kind: _share(recalled[names == kind]) for kind in sorted(set(kinds))})


def _met(spans: Sequence[Span], others: Sequence[Span]) -> np.ndarray:
    """Whether each of the spans shares a step with any of the others, which may overlap each other."""
    starts, ends = np.sort([other.start for other in others]), np.sort([other.end for other in others])
    begun = np.searchsorted(starts, [span.end for span in spans], side="right")
    over = np.searchsorted(ends, [span.start for span in spans], side="left")
    return begun > over  # those over before the span had begun, too: more begun than over is one of them there


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
