"""SimCLR: two views of a row attract, all other rows of the batch repel (Chen et al. 2020)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.losses.nt_xent import NTXentLoss
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.tabular import View


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
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.head = ProjectionHead(encoder.n_outputs)
        self.loss = NTXentLoss(temperature)
        self.column_of, self.views = column_of, views

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        encoder = ResidualMLP(
            len(column_of), settings.embedding_size, settings.encoder_width, settings.encoder_depth, seed
        )
        return cls(encoder, column_of, settings.views, settings.temperature, settings.learning_rate,
                   settings.weight_decay, seed)

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        a, b = (self.head(self.encoder(view(rows, self.column_of, generator))) for view in self.views)
        return self.loss(a, b)
