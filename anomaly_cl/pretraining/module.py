"""What all pretraining methods share: an encoder, a loss on rows, and the numbers logged while it learns."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import pytorch_lightning as pl
import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import MatchedParts
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import soft_triplet
from anomaly_cl.pretraining.batches import Batch
from anomaly_cl.pretraining.collapse import PROBE_ROWS, effective_rank, spread
from anomaly_cl.pretraining.pairs import PairedRows, TripletRows, triplets_of
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Column


class ContrastiveModule(pl.LightningModule):
    """One method of contrastive pretraining: subclasses say how they are built and what their loss is.

    Logs `train_loss`, and on held-out rows `val_loss`, `rank` (effective rank) and `spread` of the embeddings. Views
    are drawn from generators of the module's own, seeded by `seed`: a running one for training, and for validation one
    that starts anew each epoch, so that its losses can be compared. Pairs that the user gave add a loss of their own.

    `default_steps`, `default_rate` and `default_batch` are steps, learning rate and batch size where the settings leave
    them open. With fewer than `least_columns` columns a method has nothing to contrast. One that is `in_all_spaces`
    reads the rows of all spaces side by side, others those of one. One that does not stop early (`stops_early`) trains
    on held-out rows too, since they then decide nothing, and ends with its `trained_encoder` after the last step.
    """

    default_steps: ClassVar[int] = 100
    default_rate: ClassVar[float] = 1e-3
    default_batch: ClassVar[int] = 256
    in_all_spaces: ClassVar[bool] = False
    stops_early: ClassVar[bool] = True
    least_columns: ClassVar[int] = 1
    encoder: Encoder

    def __init__(self, encoder: Encoder, learning_rate: float, weight_decay: float, seed: int):
        super().__init__()
        self.encoder = encoder
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed

    @classmethod
    def for_columns(cls, settings: TrainingSettings, columns: Sequence[Column]) -> TrainingSettings:
        """The settings, with what they say of the input columns by name or kind put as positions."""
        return settings

    @classmethod
    def steps_for(cls, settings: TrainingSettings, width: int) -> int:
        """The most steps of training on rows of this width."""
        return settings.max_steps or cls.default_steps

    @classmethod
    @abstractmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        """Build encoder and method for rows whose outputs belong to the input columns `column_of` (width,)."""

    @abstractmethod
    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar loss of rows (n, width), drawing whatever it draws from `generator`."""

    @classmethod
    def has_views(cls, settings: TrainingSettings) -> bool:
        """Whether positive pairs are made by the views of the settings."""
        return True

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Look at all training rows (n, width) once before training: a method that keeps some of them does it here."""

    def batch_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The scalar loss of a training batch, but for its pairs."""
        return self.contrastive_loss(batch.rows, generator)

    @property
    def trained_encoder(self) -> Encoder:
        """The encoder that training ended with."""
        return self.encoder

    @property
    def matching(self) -> MatchedParts | None:
        """Embedding -> projections of both parts of a record, by a method that contrasts them; None by all others."""
        return None

    def groups(self, rows: Tensor) -> Tensor | None:
        """Group number (n,) of rows (n, width), by a method that learns groups; None by all others."""
        return None

    def pair_loss(self, pairs: PairedRows, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar loss of pairs that the user gave, each completed to a triplet by one of the rows (n, width)."""
        return triplet_loss(self.encoder, triplets_of(pairs, rows, generator))

    def on_fit_start(self) -> None:
        self._views_of_training = torch.Generator().manual_seed(self.seed + self.global_rank)

    def training_step(self, batch: Batch) -> Tensor:
        loss = self.batch_loss(batch, self._views_of_training)
        if batch.pairs is not None:
            loss = loss + self.pair_loss(batch.pairs, batch.rows, self._views_of_training)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True,
                 batch_size=len(batch.rows))
        return loss

    def on_validation_epoch_start(self) -> None:
        self._views_of_validation = torch.Generator().manual_seed(self.seed)
        self._probe: list[Tensor] = []

    def validation_step(self, batch: Batch) -> None:
        rows = batch.rows
        loss = self.contrastive_loss(rows, self._views_of_validation)
        self.log("val_loss", loss, prog_bar=True, sync_dist=True, batch_size=len(rows))
        if sum(map(len, self._probe)) < PROBE_ROWS:
            self._probe.append(self.encoder(rows))

    def on_validation_epoch_end(self) -> None:
        embeddings = torch.cat(self._probe)[:PROBE_ROWS]
        self.log("rank", effective_rank(embeddings), sync_dist=True)
        self.log("spread", spread(embeddings), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)


def triplet_loss(encoder: Encoder, triplets: TripletRows) -> Tensor:
    """The soft triplet loss of rows; a negative that happens to equal its anchor, as a category may, does not count."""
    differs = (triplets.negative != triplets.anchor).any(dim=1)
    anchor, positive, negative = map(encoder, triplets)
    return soft_triplet(anchor, positive, negative, differs.to(anchor))


def starting_encoder(n_inputs: int, settings: TrainingSettings, seed: int) -> Encoder:
    """The encoder of all methods that read a row as one part: a copy of the given one, or raw geometry."""
    if settings.encoder is not None:
        if settings.encoder.n_inputs != n_inputs:
            raise UsageError(f"the given encoder takes rows of width {settings.encoder.n_inputs}",
                             f"they have {n_inputs}", "give an encoder of that width, or none")
        return copy.deepcopy(settings.encoder)
    return ResidualMLP(n_inputs, settings.embedding_size, settings.encoder_width, settings.encoder_depth, seed)
