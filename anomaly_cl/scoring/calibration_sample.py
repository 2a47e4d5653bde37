"""The calibration scores that a row is compared with, and the tail fitted to their highest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from anomaly_cl.scoring.averaged_tail import average_tails
from anomaly_cl.scoring.policy import SLACK
from anomaly_cl.scoring.tail_beyond import TailBeyond
from anomaly_cl.scoring.tails import fit_pareto, goodness_of_fit

FEWEST_BEYOND, MOST_BEYOND = 25, 500  # calibration rows above the tail's threshold
REJECT_FIT = 0.01
LEAST_AT_LARGEST = 0.05  # chance that one of n rows lies out there, below which its presence refutes the tail
NAMED_SHARE = 0.1


@dataclass(frozen=True)
class CalibrationSample:
    """Scores of exchangeable normal rows, `ordered` (n,) from small to large; `tail` is None if the note says why."""

    ordered: np.ndarray
    tail: TailBeyond | None
    tail_note: str

    @classmethod
    def fit(cls, scores: np.ndarray) -> Self:
        """From finite scores (n,), one or more."""
        ordered = np.sort(scores)
        return cls(ordered, *_fit_tail(ordered))

    def __len__(self) -> int:
        return len(self.ordered)

    def p_value(self, scores: np.ndarray) -> np.ndarray:
        """(1 + #{calibration >= score}) / (1 + n), (rows,)."""
        at_least = len(self) - np.searchsorted(self.ordered, scores, side="left")
        return (1 + at_least) / (1 + len(self))

    def threshold(self, level: float) -> float:
        """The smallest score whose p-value is at most the level, or just above all scores if none is."""
        most_above = min(max(int(np.floor(level * SLACK * (len(self) + 1))) - 1, 0), len(self) - 1)
        return float(np.nextafter(self.ordered[len(self) - most_above - 1], np.inf))

    def p_tail(self, scores: np.ndarray) -> np.ndarray:
        """The p-value, and beyond the largest calibration score what the tail says, if that is less; (rows,)."""
        p = self.p_value(scores)
        if self.tail is not None:
            beyond = scores > self.ordered[-1]
            p[beyond] = np.minimum(self.tail.survival(scores[beyond]), p[beyond])
        return p

    def tail_state(self) -> dict[str, Any]:
        return {"tail": None if self.tail is None else self.tail.to_state(), "tail_note": self.tail_note}

    @classmethod
    def from_state(cls, ordered: np.ndarray, state: Mapping[str, Any]) -> Self:
        """From ordered scores (n,) and what `tail_state` gave."""
        tail = None if state["tail"] is None else TailBeyond.from_state(state["tail"], float(ordered[-1]))
        return cls(ordered, tail, state["tail_note"])


def _fit_tail(ordered: np.ndarray) -> tuple[TailBeyond | None, str]:
    n = len(ordered)
    n_beyond = min(max(n // 10, FEWEST_BEYOND), MOST_BEYOND)
    if n < 4 * n_beyond:
        return None, f"no tail: {n} calibration rows, a tail needs {4 * FEWEST_BEYOND}"
    threshold = float(ordered[-n_beyond - 1])
    excesses = ordered[ordered > threshold] - threshold
    if len(np.unique(excesses)) < FEWEST_BEYOND:
        return None, f"no tail: fewer than {FEWEST_BEYOND} different scores among the highest {n_beyond}"
    p_fit = goodness_of_fit(excesses, fit_pareto(excesses), enough=REJECT_FIT)
    if p_fit <= REJECT_FIT:
        return None, f"no tail: the highest {n_beyond} scores do not follow a generalised Pareto tail (p = {p_fit:.3f})"
    average, largest = average_tails(excesses), float(ordered[-1])
    share = len(excesses) / n
    at_largest = share * float(average.survival(np.array([largest - threshold]))[0])
    lift = max(1.0, LEAST_AT_LARGEST / (n + 1) / max(at_largest, np.finfo(float).tiny))
    tail = TailBeyond.draw(lambda z: lift * share * average.survival(z), threshold, largest)
    shares = sorted(average.shares.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{name} {weight:.0%}" for name, weight in shares if weight >= NAMED_SHARE)
    return tail, f"tail of the highest {len(excesses)} scores: {kinds}"
