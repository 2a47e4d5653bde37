"""Supervised contrast for few labels: normal rows stay together, away from some confirmed anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.losses.triplet import soft_triplet
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder, triplet_loss
from anomaly_cl.pretraining.pairs import TripletRows
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.cells import nearest

BANK_ROWS, NEIGHBOURS, HARD_NEIGHBOURS = 4_096, 5, 30


@dataclass(frozen=True)
class FewLabelsSettings:
    """Confirmed anomalies float32 (m, width), one or more."""

    anomalies: np.ndarray


# three short epochs: longer training learns the few anomalies by heart, and ranked others worse
SHORT = TrainingSettings(max_steps=30, steps_per_epoch=10, batch_size=128, encoder_width=128, weight_decay=1e-2)


class FewLabels(ContrastiveModule):
    """Soft triplets between normal rows and confirmed anomalies, on a residual encoder's embedding itself.

    A normal row is nearer to its normal neighbours than to an anomaly; an anomaly is nearer to another one than to a
    normal row. Half of the normal anchors are hard: near to an anomaly. With the classes as labels this is supervised
    contrast (Khosla et al. 2020), but anomalies may be of many kinds and normal rows are not asked to be one cluster:
    only neighbours attract. Loss: `soft_triplet`, the log ratio that is measured afterwards.
    """

    default_steps: ClassVar[int] = 30
    bank: Tensor
    anomalies: Tensor
    hard: Tensor

    def __init__(
        self, encoder: Encoder, anomalies: Tensor, learning_rate: float, weight_decay: float = 0.0, seed: int = 0
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.register_buffer("anomalies", anomalies)

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        anomalies = torch.tensor(settings.of_method(FewLabelsSettings).anomalies, dtype=torch.float32)
        return cls(starting_encoder(len(column_of), settings, seed), anomalies,
                   settings.learning_rate or cls.default_rate, settings.weight_decay, seed)

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Keep a bank of normal rows, and which of them are near to each anomaly."""
        self.register_buffer("bank", rows[torch.randperm(len(rows), generator=generator)[:BANK_ROWS]])
        self.register_buffer("hard", nearest(self.anomalies, self.bank, HARD_NEIGHBOURS))

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        def draw(n: int) -> Tensor:
            return torch.randint(n, (len(rows),), generator=generator, device=generator.device).to(rows.device)

        one, other = draw(len(self.anomalies)), draw(len(self.anomalies))
        is_hard = draw(2).bool()
        anchor = torch.where(is_hard[:, None], self.bank[self.hard[one, draw(self.hard.shape[1])]], rows)
        near = nearest(anchor, self.bank, NEIGHBOURS + 1)[:, 1:]  # the first is the row itself, or its nearest
        positive = self.bank[near.gather(1, draw(near.shape[1])[:, None]).squeeze(1)]
        loss = triplet_loss(self.encoder, TripletRows(anchor, positive, self.anomalies[one]))
        if len(self.anomalies) == 1:
            return loss
        towards, away = self.encoder(self.anomalies[other]), self.encoder(anchor)
        return loss + soft_triplet(self.encoder(self.anomalies[one]), towards, away, (one != other).to(rows))
