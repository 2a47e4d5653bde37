"""Methods that end with averaged weights in place of those of an early stop."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch.optim.swa_utils import AveragedModel

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.settings import TrainingSettings


class AveragedModule(ContrastiveModule):
    """A method that makes its own strange copies, and ends with the mean of the weights over the last two thirds of the
    steps (Polyak and Juditsky 1992), without early stopping: the loss on copies goes on falling long after the encoder
    began to fit them alone.
    """

    stops_early: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, learning_rate: float, seed: int = 0):
        super().__init__(encoder, learning_rate, 0.0, seed)
        self.average = AveragedModel(encoder).requires_grad_(False)

    @classmethod
    def has_views(cls, settings: TrainingSettings) -> bool:
        return False

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Average the weights, once the first third of the steps is gone."""
        if self.global_step > self.trainer.estimated_stepping_batches / 3:
            self.average.update_parameters(self.encoder)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.encoder.parameters(), lr=self.learning_rate)

    @property
    def trained_encoder(self) -> Encoder:
        return cast(Encoder, self.average.module) if self.average.n_averaged else self.encoder
