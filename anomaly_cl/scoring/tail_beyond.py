"""The tail beyond the largest calibration score, as a curve that scoring only has to look up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from anomaly_cl.scoring.tails import GeneralisedPareto

SMALLEST_P = 1e-10  # where the scale of risk ends
KNOTS = 200
NEAREST, FARTHEST = 1e-9, 1e30  # in distances from the threshold to the largest score


@dataclass(frozen=True)
class TailBeyond:
    """log P(score > s) for s from `largest` on: straight between the knots, `offsets` (knots,) beyond `largest`."""

    largest: float
    offsets: np.ndarray
    log_p: np.ndarray

    def survival(self, scores: np.ndarray) -> np.ndarray:
        """P(score > s) for scores (n,) at or above the largest; never below `SMALLEST_P`."""
        return np.exp(np.interp(scores - self.largest, self.offsets, self.log_p))

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any], largest: float) -> Self:
        """Read a state; one of version 0.1, a mixture of generalised Pareto tails over a threshold, is drawn anew."""
        if "fit" not in state:
            return cls(**state)
        fit, share = state["fit"], state["share"]

        def survival(excesses: np.ndarray) -> np.ndarray:
            parts = zip(fit["weights"], fit["shapes"], fit["scales"], strict=True)
            return sum((share * weight * np.exp(GeneralisedPareto(shape, scale).log_survival(excesses))
                        for weight, shape, scale in parts), start=np.zeros(len(excesses)))

        return cls.draw(survival, state["threshold"], largest)

    @classmethod
    def draw(cls, survival: Callable[[np.ndarray], np.ndarray], threshold: float, largest: float) -> Self:
        """The curve of `survival`, a falling function of excesses (n,) over the threshold."""
        reach = largest - threshold
        ends = np.geomspace(NEAREST, FARTHEST, KNOTS // 3)
        end = ends[min(int(np.searchsorted(-survival(reach + reach * ends), -SMALLEST_P)), len(ends) - 1)]
        offsets = np.concatenate([[0], reach * np.geomspace(NEAREST, max(end, 2 * NEAREST), KNOTS)])
        p = np.maximum(survival(reach + offsets), SMALLEST_P)
        return cls(largest, offsets, np.log(np.minimum.accumulate(p)))
