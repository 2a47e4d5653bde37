"""Learned metrics: raw geometry at first, then columns weighed, or rows moved a little, space by space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError

LIMIT = 6.0  # standard deviations up to which the residual hears how far out a value lies


class ColumnWeights(nn.Module):
    """x * exp(theta): one weight above 0 for each input, 1 at first."""

    def __init__(self, n_inputs: int):
        super().__init__()
        self.log_weights = nn.Parameter(torch.zeros(n_inputs))

    def forward(self, rows: Tensor) -> Tensor:
        return rows * self.log_weights.exp()


class SpaceMetrics(Encoder):
    """Rows in several spaces side by side (*, n_inputs) -> for each space its rows weighed, then its rows moved.

    The n_inputs are those of `spaces` spaces of equal width w. A space's outputs are x * exp(theta) (w,) and x + f(x)
    (w,) with f a `ResidualMLP`'s residual of `width` hidden units, which hears no value beyond about 6: a huge one
    moves a row by itself, not by what f makes of it. Untrained, both are raw geometry. Raises UsageError for widths
    that do not divide.
    """

    def __init__(self, n_inputs: int, spaces: int, width: int = 128):
        super().__init__()
        if spaces < 1 or n_inputs < spaces or n_inputs % spaces:
            raise UsageError("the spaces have one width, above 0", f"found {n_inputs} inputs in {spaces} spaces",
                             "encode the rows once in each space")
        self.n_inputs, self.n_outputs, self.spaces, self.width = n_inputs, 2 * n_inputs, spaces, width
        size = n_inputs // spaces
        self.weights = nn.ModuleList(ColumnWeights(size) for _ in range(spaces))
        self.residuals = nn.ModuleList(ResidualMLP(size, width=width, depth=0, limit=LIMIT) for _ in range(spaces))

    @property
    def settings(self) -> dict[str, Any]:
        return {"n_inputs": self.n_inputs, "spaces": self.spaces, "width": self.width}

    def metrics(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each space its rows weighed and its rows moved, each (*, w)."""
        parts = rows.chunk(self.spaces, dim=-1)
        return [(weigh(part), move(part))
                for weigh, move, part in zip(self.weights, self.residuals, parts, strict=True)]

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat([part for pair in self.metrics(rows) for part in pair], dim=-1)
