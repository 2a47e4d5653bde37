"""Two towers: each part of a record has an encoder of its own, and the embedding is both of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError


class TwoTowers(Encoder):
    """Rows (*, n_inputs) -> [tower a of the inputs `part_a`, tower b of all others], not normalised.

    Each tower is a `ResidualMLP`, so an untrained encoder is raw geometry. `n_outputs` (at least 2) is shared out in
    halves; if it is not given, each tower keeps the width of its part. Raises UsageError unless `part_a` names some
    of the inputs, but not all, each once.
    """

    index_a: Tensor
    index_b: Tensor

    def __init__(
        self, n_inputs: int, part_a: Sequence[int], n_outputs: int | None = None, width: int = 256, depth: int = 2,
        projection_seed: int = 0,
    ):
        super().__init__()
        part_b = [position for position in range(n_inputs) if position not in set(part_a)]
        if not part_a or not part_b or len(part_a) + len(part_b) != n_inputs:
            raise UsageError(f"one tower takes some of the inputs 0..{n_inputs - 1}, each once, and the other the rest",
                             f"found {list(part_a)}", "leave inputs to both towers")
        sizes = (None, None) if n_outputs is None else (n_outputs // 2, n_outputs - n_outputs // 2)
        self.tower_a = ResidualMLP(len(part_a), sizes[0], width, depth, projection_seed)
        self.tower_b = ResidualMLP(len(part_b), sizes[1], width, depth, projection_seed)
        self.n_inputs, self.n_outputs = n_inputs, self.tower_a.n_outputs + self.tower_b.n_outputs
        self.register_buffer("index_a", torch.tensor(part_a), persistent=False)
        self.register_buffer("index_b", torch.tensor(part_b), persistent=False)
        self._settings = {"n_inputs": n_inputs, "part_a": [int(position) for position in part_a],
                          "n_outputs": n_outputs, "width": width, "depth": depth, "projection_seed": projection_seed}

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self._settings)

    def towers(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of both parts, each (*, outputs of its tower)."""
        return self.tower_a(rows[..., self.index_a]), self.tower_b(rows[..., self.index_b])

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat(self.towers(rows), dim=-1)
