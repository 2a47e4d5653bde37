"""SwAV: rows are assigned to prototypes, and one view of a row predicts the assignment of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.swav import SwAVLoss
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.tabular import View


@dataclass(frozen=True)
class SwAVSettings:
    """Number of prototypes, and of the assignment: weight of its entropy, and Sinkhorn-Knopp iterations."""

    prototypes: int = 32
    epsilon: float = 0.05
    iterations: int = 3

    def __post_init__(self) -> None:
        if self.prototypes < 2 or not self.epsilon > 0 or self.iterations < 1:
            raise UsageError("rows are assigned to at least two prototypes, with entropy, in at least one iteration",
                             f"found {self}", "use for example SwAVSettings(32, 0.05, 3)")


class SwAV(ContrastiveModule):
    """Swapped prediction of assignments (Caron et al. 2020, algorithm 1), with two views of each row.

    The prototypes live in the space of the projection head, on the unit sphere. They part normal rows into groups of
    normal behaviour: `groups` tells them. Rows are no negatives of each other, so near duplicates need no weights:
    they share a prototype.
    """

    def __init__(
        self,
        encoder: Encoder,
        column_of: Tensor,
        views: tuple[View, View],
        temperature: float,
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
        own: SwAVSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        own = own or SwAVSettings()
        self.head = ProjectionHead(encoder.n_outputs)
        self.loss = SwAVLoss(temperature, own.epsilon, own.iterations)
        self.column_of, self.views, self.n_prototypes = column_of, views, own.prototypes

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        return cls(starting_encoder(len(column_of), settings, seed), column_of, settings.view_pair,
                   settings.temperature or 0.1, settings.learning_rate or cls.default_rate, settings.weight_decay, seed,
                   settings.of_method(SwAVSettings))

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Start the prototypes at the projections of random rows, so that each has rows near it."""
        chosen = torch.randperm(len(rows), generator=generator)[: self.n_prototypes]
        with torch.no_grad():
            self.prototypes = torch.nn.Parameter(self.head(self.encoder(rows[chosen])))

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        a, b = (self._scores(view(rows, self.column_of, generator)) for view in self.views)
        return self.loss(a, b)

    def groups(self, rows: Tensor) -> Tensor:
        """Number (n,) of the prototype most like each of the rows (n, width)."""
        return self._scores(rows).argmax(dim=1)

    def _scores(self, rows: Tensor) -> Tensor:
        """Cosine similarity (n, prototypes)."""
        unit = functional.normalize(self.head(self.encoder(rows)), dim=1)
        return unit @ functional.normalize(self.prototypes, dim=1).T
