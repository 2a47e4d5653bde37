"""SimCLR: two views of a row attract, all other rows of the batch repel (Chen et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.losses.nt_xent import NTXentLoss
from anomaly_cl.losses.pair_weights import duplicate_weights
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.tabular import View


@dataclass(frozen=True)
class SimCLRSettings:
    """Whether near duplicates in a batch repel each other less (`duplicate_weights`): they are hardly negatives."""

    weigh_duplicates: bool = False


class SimCLR(ContrastiveModule):
    """Encoder, projection head and NT-Xent over two views of each row (Chen et al. 2020, algorithm 1).

    With `ResampleCells` as views this is SCARF (Bahri et al. 2022) on our residual encoder.
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
        own: SimCLRSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.head = ProjectionHead(encoder.n_outputs)
        self.loss = NTXentLoss(temperature)
        self.column_of, self.views, self.own = column_of, views, own or SimCLRSettings()

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        return cls(starting_encoder(len(column_of), settings, seed), column_of, settings.view_pair,
                   settings.temperature or 1.0, settings.learning_rate or cls.default_rate, settings.weight_decay, seed,
                   settings.of_method(SimCLRSettings))

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        a, b = (self.head(self.encoder(view(rows, self.column_of, generator))) for view in self.views)
        return self.loss(a, b, duplicate_weights(rows, rows) if self.own.weigh_duplicates else None)
