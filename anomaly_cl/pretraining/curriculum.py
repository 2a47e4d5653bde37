"""Negatives that become harder while training goes on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import is_number


@dataclass(frozen=True)
class Curriculum:
    """How far negatives lie from the rows they were made of: `start` times their distance at first, at last `end`.

    The factor goes in a straight line over the first `steps` training steps and then stays; from 2 to 1, say, far ones
    come first (curriculum learning, Bengio et al. 2009).

    >>> [Curriculum(start=3.0, end=1.0, steps=4).reach(step) for step in (0, 1, 4, 9)]
    [3.0, 2.5, 1.0, 1.0]
    """

    start: float = 2.0
    end: float = 1.0
    steps: int = 20

    def __post_init__(self) -> None:
        if not 0 < min(self.start, self.end) <= max(self.start, self.end) < float("inf") or self.steps < 1:
            raise UsageError("negatives lie at finite multiples, above 0, of their distance, over at least one step",
                             f"found {self}", "use for example Curriculum(start=2, end=1, steps=20)")

    def reach(self, step: int) -> float:
        """The factor at a training step, counted from 0."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1)


def at_reach(negatives: Tensor, rows: Tensor, column_of: Tensor, reach: float) -> Tensor:
    """Negatives (n, width) moved along the line from the rows they were made of, to `reach` times their distance.

    Only numbers move: a column of several outputs keeps the value of the negative, which some row has.
    """
    moved = torch.lerp(rows, negatives, reach)
    return torch.where(is_number(column_of).to(rows.device), moved, negatives)
