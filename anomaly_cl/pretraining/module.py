"""What all pretraining methods share: an encoder, a loss on rows, and the numbers logged while it learns."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import pytorch_lightning as pl
import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.pretraining.collapse import PROBE_ROWS, effective_rank, spread
from anomaly_cl.pretraining.settings import TrainingSettings


class ContrastiveModule(pl.LightningModule):
    """One method of contrastive pretraining: subclasses say how they are built and what their loss is.

    Logs `train_loss`, and on held-out rows `val_loss`, `rank` (effective rank) and `spread` of the embeddings. Views
    are drawn from generators of the module's own, seeded by `seed`: a running one for training, and for validation one
    that starts anew each epoch, so that its losses can be compared.
    """

    encoder: Encoder

    def __init__(self, encoder: Encoder, learning_rate: float, weight_decay: float, seed: int):
        super().__init__()
        self.encoder = encoder
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed

    @classmethod
    @abstractmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        """Build encoder and method for rows whose outputs belong to the input columns `column_of` (width,)."""

    @abstractmethod
    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar loss of rows (n, width), drawing whatever it draws from `generator`."""

    def on_fit_start(self) -> None:
        self._views_of_training = torch.Generator().manual_seed(self.seed + self.global_rank)

    def training_step(self, batch: tuple[Tensor]) -> Tensor:
        (rows,) = batch
        loss = self.contrastive_loss(rows, self._views_of_training)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self._views_of_validation = torch.Generator().manual_seed(self.seed)
        self._probe: list[Tensor] = []

    def validation_step(self, batch: tuple[Tensor]) -> None:
        (rows,) = batch
        loss = self.contrastive_loss(rows, self._views_of_validation)
        self.log("val_loss", loss, prog_bar=True, sync_dist=True)
        if sum(map(len, self._probe)) < PROBE_ROWS:
            self._probe.append(self.encoder(rows))

    def on_validation_epoch_end(self) -> None:
        embeddings = torch.cat(self._probe)[:PROBE_ROWS]
        self.log("rank", effective_rank(embeddings), sync_dist=True)
        self.log("spread", spread(embeddings), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
