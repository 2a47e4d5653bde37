"""Two towers: each part of a record has an encoder of its own, and the embedding is both of theirs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError


class Towers(Encoder):
    """Rows (*, n_inputs) -> [tower a of one part of the inputs, tower b of the other], not normalised."""

    tower_a: Encoder
    tower_b: Encoder

    @abstractmethod
    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Both parts of rows (*, n_inputs), each (*, inputs of its tower)."""

    def towers(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of both parts, each (*, outputs of its tower)."""
        a, b = self.parts(rows)
        return self.tower_a(a), self.tower_b(b)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat(self.towers(rows), dim=-1)


class TwoTowers(Towers):
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

    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows[..., self.index_a], rows[..., self.index_b]


class MatchedParts(Encoder):
    """Embeddings of two towers (*, n_a + n_b) -> projections [a, b] (*, 2 * n_projected) of length temperature^-1/2.

    The scalar product of both halves of a row is the similarity by which CLIP's loss judges whether they belong
    together; halves of different rows give that of parts of different records. Raises UsageError for sizes below 1,
    or a temperature of 0 or less.
    """

    def __init__(self, n_a: int, n_b: int, temperature: float, n_projected: int = 64):
        super().__init__()
        if min(n_a, n_b, n_projected) < 1 or not temperature > 0:
            raise UsageError("both parts have at least one number, and the temperature is above 0",
                             f"found {n_a=}, {n_b=}, {n_projected=}, {temperature=}", "give the towers' outputs")
        self.n_a, self.n_b, self.temperature = n_a, n_b, float(temperature)
        self.head_a, self.head_b = ProjectionHead(n_a, n_projected), ProjectionHead(n_b, n_projected)
        self.n_inputs, self.n_outputs, self.n_projected = n_a + n_b, 2 * n_projected, n_projected

    @property
    def settings(self) -> dict[str, Any]:
        names = ("n_a", "n_b", "temperature", "n_projected")
        return {name: getattr(self, name) for name in names}

    def forward(self, embeddings: Tensor) -> Tensor:
        parts = self.head_a(embeddings[..., : self.n_a]), self.head_b(embeddings[..., self.n_a :])
        return torch.cat([functional.normalize(part, dim=-1) for part in parts], dim=-1) / self.temperature**0.5
