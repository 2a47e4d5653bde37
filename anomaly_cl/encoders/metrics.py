"""Learned metrics: the rows of several spaces, each moved a little from where they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError

LIMIT = 6.0  # standard deviations up to which a residual hears how far out a value lies


class SpaceMetrics(Encoder):
    """Rows in several spaces of one width side by side (*, n_inputs) -> each space's rows x + f(x), side by side.

    f is the residual of a `ResidualMLP` of `width` hidden units, one a space, which hears no value beyond about 6: a
    huge one moves a row by itself, not by what f makes of it. Untrained, the metrics are raw geometry. Raises
    UsageError for widths that do not divide.
    """

    def __init__(self, n_inputs: int, spaces: int, width: int = 128):
        super().__init__()
        if spaces < 1 or n_inputs < spaces or n_inputs % spaces:
            raise UsageError("the spaces have one width, above 0", f"found {n_inputs} inputs in {spaces} spaces",
                             "encode the rows once in each space")
        self.n_inputs, self.n_outputs, self.spaces, self.width = n_inputs, n_inputs, spaces, width
        size = n_inputs // spaces
        self.metrics = nn.ModuleList(ResidualMLP(size, width=width, depth=0, limit=LIMIT) for _ in range(spaces))

    @property
    def settings(self) -> dict[str, Any]:
        return {"n_inputs": self.n_inputs, "spaces": self.spaces, "width": self.width}

    def forward(self, rows: Tensor) -> Tensor:
        parts = rows.chunk(self.spaces, dim=-1)
        return torch.cat([metric(part) for metric, part in zip(self.metrics, parts, strict=True)], dim=-1)
