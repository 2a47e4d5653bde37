"""From a score to a rate: what share of normal rows looks at least this strange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.calibration_sample import CalibrationSample
from anomaly_cl.scoring.segments import WHOLE, Segments, segment_values
from anomaly_cl.scoring.tail_beyond import SMALLEST_P, TailBeyond

SMALLEST_SEGMENT = 100
"""99 calibration rows and the row itself: the smallest p-value is then 0.01, the default policy's alpha.

With fewer no row of the segment could be alerted at it. A policy of smaller alpha needs segments of 1 / alpha rows.
"""


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> np.ndarray:
    """Conformal p-values (rows,): (1 + #{calibration >= score}) / (1 + #calibration), higher scores = stranger.

    Super-uniform for a normal row that is exchangeable with the calibration rows, with ties and any number of them
    (Vovk, Gammerman and Shafer 2005, proposition 2.8; Bates et al. 2023, equation 3). InputError if not finite.

    >>> p_values([0.5, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.75, 0.25]
    """
    ordered = np.sort(finite_vector(calibration_scores, fewest=1))
    return CalibrationSample(ordered, None, "").p_value(finite_vector(scores))


def risk(p: ArrayLike) -> np.ndarray:
    """-10 log10(p), clipped to 0..100: risk 30 = one normal record in 1,000 looks this odd.

    >>> risk([1.0, 0.1, 0.001, 0.0]).tolist()
    [0.0, 10.0, 30.0, 100.0]
    """
    p = finite_vector(p)
    if ((p < 0) | (p > 1)).any():
        raise InputError("p-values lie between 0 and 1", f"they reach from {p.min()} to {p.max()}", "give p-values")
    return np.abs(-10 * np.log10(np.maximum(p, SMALLEST_P)))  # abs turns -0.0 into 0.0


class Calibration:
    """What a score means: its rank among the scores of normal rows, as a whole or segment by segment.

    `p_value` is exactly valid where a new normal row is exchangeable with the calibration rows: where no part of the
    scorer learned from them (split), or each was scored like the new row will be (leave-one-out). Where the
    calibration rows were scored by models that did not learn from their fold, and new rows by a model of all
    folds (cross), the scores are alike only approximately, and so is the rate.

    `p_tail` equals the p-value up to the largest calibration score; beyond, where every p-value is 1 / (n + 1), a tail
    fitted to the highest scores extrapolates (a model, not a guarantee; `averaged_tail`), from 0.05 / (n + 1) at
    least: one of n rows lies as far. With fewer than 100 rows, or where a generalised Pareto tail does not fit,
    p_tail is the p-value, and `tail_note_` says why.

    With segments (a text or None for each row) a row is compared with its own segment, if that has `smallest_segment`
    rows, else with the small segments together (`scoring.segments` says what holds then).

    >>> calibration = Calibration(smallest_segment=3).fit([1, 2, 3, 7, 8, 9], segments=["a", "a", "a", "b", "b", "b"])
    >>> calibration.p_value([5, 5, 5], segments=["a", "b", "new"]).tolist()
    [0.25, 1.0, 0.5714285714285714]
    >>> calibration.segment_used(["a", "b", "new"]).tolist()
    ['a', 'b', '(all rows)']
    """

    def __init__(self, smallest_segment: int = SMALLEST_SEGMENT):
        self.smallest_segment = smallest_segment

    def fit(self, scores: ArrayLike, segments: ArrayLike | None = None) -> Self:
        """Learn from scores (rows,), one or more, and maybe the segment (rows,) of each.

        Raises InputError if scores are not finite or segments are neither texts nor None.
        """
        scores = finite_vector(scores, fewest=1)
        order = np.argsort(scores, kind="stable")
        self.whole_ = CalibrationSample.fit(scores)
        self.grouping_ = None
        if segments is not None:
            grouping = Segments.of(segments, len(scores), self.smallest_segment)
            self.grouping_ = Segments(grouping.labels, grouping.codes[order], grouping.smallest)
        self.parts_ = {name: CalibrationSample.fit(self.scores_[mask]) for name, mask in self._members().items()}
        return self

    @property
    def scores_(self) -> np.ndarray:
        """All calibration scores (rows,), from small to large."""
        return self.whole_.ordered

    @property
    def tail_(self) -> TailBeyond | None:
        """The tail over all scores, or None."""
        return self.whole_.tail

    @property
    def tail_note_(self) -> str:
        return self.whole_.tail_note

    @property
    def n_rows_(self) -> int:
        return len(self.whole_)

    @property
    def most_compared_(self) -> int:
        """Most calibration rows that any row is compared with: no p-value is below 1 / (most_compared_ + 1)."""
        return max(map(len, self._compared()))

    @property
    def has_tail_(self) -> bool:
        """Whether any row's p_tail may fall below its p-value."""
        return any(sample.tail is not None for sample in self._compared())

    @property
    def segments_(self) -> list[dict[str, Any]]:
        """A line for each segment, the last (None) for missing and unseen ones; empty without segments.

        `segment`, `rows` (in the calibration), `compared_with` (itself, "(small segments)" or "(all rows)"),
        `compared_rows`, and the `tail` note of what it is compared with.
        """
        lines = [] if self.grouping_ is None else self.grouping_.summary()
        samples = [self._sample(line["compared_with"]) for line in lines]
        return [{**line, "compared_rows": len(sample), "tail": sample.tail_note}
                for line, sample in zip(lines, samples, strict=True)]

    def segment_used(self, segments: ArrayLike) -> np.ndarray:
        """What each row (rows,) is compared with: its segment, "(small segments)" or "(all rows)"."""
        segments = np.asarray(segments, dtype=object)
        return np.array(self._names(segments, len(segments)), dtype=object)

    def p_value(self, scores: ArrayLike, segments: ArrayLike | None = None) -> np.ndarray:
        """Conformal p-values (rows,) of scores (rows,); segments (rows,) if the calibration has them, else none."""
        return self._by_part(scores, segments, CalibrationSample.p_value)

    def p_tail(self, scores: ArrayLike, segments: ArrayLike | None = None) -> np.ndarray:
        """p-values (rows,) that go on falling beyond the largest calibration score; p_tail <= p_value everywhere."""
        return self._by_part(scores, segments, CalibrationSample.p_tail)

    def threshold(self, level: float, segments: ArrayLike | None = None, n_rows: int = 1) -> np.ndarray:
        """Smallest score (rows,) whose p-value is at most the level, or just above all calibration scores."""
        names = self._names(segments, n_rows if segments is None else np.size(np.asarray(segments, dtype=object)))
        return np.array([self._sample(name).threshold(level) for name in names])

    def risk(self, scores: ArrayLike, segments: ArrayLike | None = None) -> np.ndarray:
        """-10 log10(p_tail), 0..100, of scores (rows,)."""
        return risk(self.p_tail(scores, segments))

    def to_state(self) -> dict[str, Any]:
        state = {"scores": self.scores_, **self.whole_.tail_state()}
        if self.grouping_ is not None:
            parts = [{"name": name, **part.tail_state()} for name, part in self.parts_.items()]
            state["segments"] = {**self.grouping_.to_state(), "parts": parts}
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """From what `to_state` gave; a state without segments may lack the key."""
        segments = state.get("segments")
        calibration = cls() if segments is None else cls(segments["smallest"])
        calibration.whole_ = CalibrationSample.from_state(np.asarray(state["scores"]), state)
        calibration.grouping_, calibration.parts_ = None, {}
        if segments is not None:
            calibration.grouping_ = Segments(tuple(segments["labels"]), segments["codes"], segments["smallest"])
            members = calibration._members()
            calibration.parts_ = {
                part["name"]: CalibrationSample.from_state(calibration.scores_[members[part["name"]]], part)
                for part in segments["parts"]
            }
        return calibration

    def _members(self) -> dict[str, np.ndarray]:
        return {} if self.grouping_ is None else self.grouping_.members()

    def _compared(self) -> list[CalibrationSample]:
        """The samples that rows may be compared with."""
        if self.grouping_ is None:
            return [self.whole_]
        names = set(self.grouping_.compared_with([*self.grouping_.labels, None]))
        return [self._sample(name) for name in names]

    def _sample(self, name: str) -> CalibrationSample:
        return self.parts_.get(name, self.whole_)

    def _names(self, segments: ArrayLike | None, n_rows: int) -> list[str]:
        if self.grouping_ is None:
            if segments is not None:
                raise InputError("segments are given where the calibration has some", "it was fitted without",
                                 "give no segments, or calibrate with them")
            return [WHOLE] * n_rows
        if segments is None:
            raise InputError("this calibration needs the segment of each row", "none is given",
                             "give the segment column, with None where it is unknown")
        return self.grouping_.compared_with(segment_values(segments, n_rows))

    def _by_part(self, scores: ArrayLike, segments: ArrayLike | None,
                 measure: Callable[[CalibrationSample, np.ndarray], np.ndarray]) -> np.ndarray:
        scores = finite_vector(scores)
        if self.grouping_ is None and segments is None:
            return measure(self.whole_, scores)
        names, places = np.unique(np.array(self._names(segments, len(scores)), dtype=object), return_inverse=True)
        p = np.empty(len(scores))
        for place, name in enumerate(names):
            p[places == place] = measure(self._sample(name), scores[places == place])
        return p
