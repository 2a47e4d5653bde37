"""Triplets: a normal row is nearer to its normal neighbours than to a synthetic anomaly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import Triplets, soft_triplet
from anomaly_cl.pretraining.curriculum import Curriculum, at_reach
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder, triplet_loss
from anomaly_cl.pretraining.pairs import TripletRows
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.cells import nearest
from anomaly_cl.views.negatives import ClusterNegative, Negative, mixed_negatives
from anomaly_cl.views.tabular import View

Mining = Callable[[Tensor, Tensor], Triplets]


@dataclass(frozen=True)
class TripletSettings:
    """Where triplets come from.

    By default each negative is a synthetic one, of `negatives` in turn; its anchor is the normal row nearest to it,
    among at most `bank_rows`, and the positive one of the anchor's `neighbours` nearest normal rows. With `mining`
    (`batch_hard` or `semi_hard` of `anomaly_cl.losses.triplet`) they are mined from two views of each row instead.
    A `curriculum` makes synthetic negatives harder by and by; validation measures all epochs at its end.
    """

    negatives: tuple[Negative, ...] = (ClusterNegative(rate=1.0),)
    neighbours: int = 5
    bank_rows: int = 4_096
    mining: Mining | None = None
    curriculum: Curriculum | None = None

    def __post_init__(self) -> None:
        if self.mining and self.curriculum:
            raise UsageError("a curriculum is of synthetic negatives", "mined triplets have none", "choose one of both")
        if not self.negatives or self.neighbours < 1 or self.bank_rows < 2:
            raise UsageError("triplets need a kind of negative, a neighbour, and a bank of two rows",
                             f"found {self}", "leave the settings at their defaults")


class Triplet(ContrastiveModule):
    """Soft triplet loss on the embedding itself, against synthetic anomalies or over mined views.

    There is no projection head: distances of the embedding are what is used later, so they are what is trained. With
    the residual encoder training starts from raw geometry; a few steps sharpen it, many bend it to the synthetic
    anomalies. Loss: `soft_triplet` (van der Maaten & Weinberger 2012); mining: Schroff et al. 2015 (FaceNet) and
    Hermans et al. 2017.
    """

    default_steps: ClassVar[int] = 20
    bank: Tensor
    near: Tensor

    def __init__(
        self,
        encoder: Encoder,
        column_of: Tensor,
        views: tuple[View, View],
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
        own: TripletSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.column_of, self.views, self.own = column_of, views, own or TripletSettings()

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        return cls(starting_encoder(len(column_of), settings, seed), column_of, settings.view_pair,
                   settings.learning_rate or cls.default_rate, settings.weight_decay, seed,
                   settings.of_method(TripletSettings))

    @classmethod
    def has_views(cls, settings: TrainingSettings) -> bool:
        return settings.of_method(TripletSettings).mining is not None

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Keep the bank, and the near rows of each of its rows."""
        bank = rows[torch.randperm(len(rows), generator=generator)[: self.own.bank_rows]]
        self.register_buffer("bank", bank)
        self.register_buffer("near", nearest(bank, bank, self.own.neighbours + 1)[:, 1:])

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        if self.own.mining is None:
            return triplet_loss(self.encoder, self._against_synthetic(rows, generator))
        embeddings = torch.cat([self.encoder(view(rows, self.column_of, generator)) for view in self.views])
        mined = self.own.mining(embeddings, torch.arange(len(rows), device=rows.device).repeat(2))
        return soft_triplet(*(embeddings[index] for index in mined))

    def _against_synthetic(self, rows: Tensor, generator: torch.Generator) -> TripletRows:
        negative = mixed_negatives(self.own.negatives, rows, self.bank, self.column_of, generator)
        if self.own.curriculum:
            step = self.global_step if self.training else self.own.curriculum.steps
            negative = at_reach(negative, rows, self.column_of, self.own.curriculum.reach(step))
        anchor = nearest(negative, self.bank, 1).squeeze(1)
        pick = torch.randint(self.near.shape[1], (len(rows),), generator=generator, device=generator.device)
        return TripletRows(self.bank[anchor], self.bank[self.near[anchor, pick.to(rows.device)]], negative)
