"""MoCo: a queue of keys from a slowly moving copy of the encoder gives many negatives to small batches."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.info_nce import InfoNCELoss
from anomaly_cl.losses.pair_weights import duplicate_weights
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.tabular import View


@dataclass(frozen=True)
class MoCoSettings:
    """Keys that the queue holds, and the share of itself that the key encoder keeps at each step.

    The paper's 0.999 suits a million steps; a run of a hundred would never leave its start.
    """

    queue_size: int = 2_048
    momentum: float = 0.95

    def __post_init__(self) -> None:
        if self.queue_size < 1 or not 0 <= self.momentum < 1:
            raise UsageError("a queue holds at least one key, and momentum is a share below 1",
                             f"found queue_size {self.queue_size}, momentum {self.momentum}", "use for example 0.95")


class MoCo(ContrastiveModule):
    """Momentum contrast with a projection head (He et al. 2020, algorithm 1; head as in Chen et al. 2020, MoCo v2).

    A table has far fewer rows than the paper's images: the queue also holds other views of the very rows of the batch,
    and near duplicates of them. They are no negatives, so each key of the queue is kept with its row and weighs the
    less, the nearer that row is to the query's (`duplicate_weights`).
    """

    queue: Tensor
    queue_rows: Tensor

    def __init__(
        self,
        encoder: Encoder,
        column_of: Tensor,
        views: tuple[View, View],
        temperature: float,
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
        own: MoCoSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.head = ProjectionHead(encoder.n_outputs)
        self.key_network = copy.deepcopy(nn.Sequential(self.encoder, self.head)).requires_grad_(False)
        self.loss = InfoNCELoss(temperature)
        self.column_of, self.views, self.own = column_of, views, own or MoCoSettings()

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        return cls(starting_encoder(len(column_of), settings, seed), column_of, settings.view_pair,
                   settings.temperature or 1.0, settings.learning_rate or cls.default_rate, settings.weight_decay, seed,
                   settings.of_method(MoCoSettings))

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Fill the queue with keys of random rows, at most as many as there are, so that no step lacks negatives."""
        chosen = torch.randperm(len(rows), generator=generator)[: self.own.queue_size]
        self.register_buffer("queue_rows", rows[chosen].clone())
        self.register_buffer("queue", self._keys(rows[chosen], generator))

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        queries = self.head(self.encoder(self.views[0](rows, self.column_of, generator)))
        self._newest = self._keys(rows, generator)
        return self.loss(queries, self._newest, self.queue, duplicate_weights(rows, self.queue_rows))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the key network a little, then let the newest keys push out the oldest."""
        with torch.no_grad():
            network = nn.Sequential(self.encoder, self.head)
            for slow, quick in zip(self.key_network.parameters(), network.parameters(), strict=True):
                slow.lerp_(quick, 1 - self.own.momentum)
        size = len(self.queue)
        self.queue = torch.cat([self._newest, self.queue])[:size]
        self.queue_rows = torch.cat([batch.rows, self.queue_rows])[:size]

    @torch.no_grad()
    def _keys(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        return functional.normalize(self.key_network(self.views[1](rows, self.column_of, generator)), dim=1)
