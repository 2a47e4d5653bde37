"""Neighbour contrast: metrics in which normal rows have near neighbours, and strange copies of them have not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.distance_ratio import DistanceRatioLoss, neighbour_distance
from anomaly_cl.pretraining.batches import Batch
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.copies import ALL_COPIES, Copies, CopyKind, draw_copies


@dataclass(frozen=True)
class NeighboursSettings:
    """How the metrics are learned.

    copies: strange copies made once, in each space, of these `kinds`; in spaces wider than `wide` fewer, in proportion.
    neighbours: the nearest rows that a distance is measured to, of `bank_rows` random ones a step. The column weights
    learn at `weights_rate`, and are held at 1 by `weights_prior` / n^2 for n training rows; the residual is held at its
    start by `residual_prior` / n^2.
    """

    copies: int = 2_000
    kinds: tuple[CopyKind, ...] = ALL_COPIES
    neighbours: int = 3
    bank_rows: int = 1_500
    weights_rate: float = 0.03
    weights_prior: float = 1_200.0
    residual_prior: float = 360.0
    wide: int = 400

    def __post_init__(self) -> None:
        if min(self.copies, self.neighbours, self.wide) < 1 or self.bank_rows < 3 or not self.kinds:
            raise UsageError("neighbour contrast needs copies of some kind, neighbours, and a bank of three rows",
                             f"found {self}", "leave the settings at their defaults")


class Neighbours(ContrastiveModule):
    """Two metrics a space, weighed columns and a residual, learned by the ratio of distances to normal neighbours.

    Rows come in several spaces side by side. In each, the distance of a normal row to its nearest others is made small
    against that of strange copies of normal rows to theirs, each row and the parents of each copy being left out of the
    bank (`distance_ratio`). There is no projection head: those distances are what is used later. Both metrics start
    from raw geometry and are held near it, the more so the fewer rows there are.
    """

    default_steps: ClassVar[int] = 120
    default_rate: ClassVar[float] = 3e-3
    n_spaces: ClassVar[int] = 3
    encoder: SpaceMetrics

    def __init__(
        self, encoder: SpaceMetrics, column_of: Tensor, temperature: float, learning_rate: float, seed: int = 0,
        own: NeighboursSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, 0.0, seed)
        self.loss = DistanceRatioLoss(temperature)
        self.column_of, self.own = column_of, own or NeighboursSettings()

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        own = settings.of_method(NeighboursSettings)
        encoder = SpaceMetrics(len(column_of), cls.n_spaces)
        rate = settings.learning_rate or cls.default_rate
        return cls(encoder, column_of[: len(column_of) // cls.n_spaces], settings.temperature or 0.5, rate, seed, own)

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Keep the rows as bank, and make the strange copies."""
        self.bank = rows
        share = min(1.0, self.own.wide / len(self.column_of))
        n_copies = max(min(600, self.own.copies), round(self.own.copies * share))
        self.copies: list[Copies] = [
            draw_copies(part, self.column_of, n_copies, generator, self.own.kinds)
            for part in rows.chunk(self.n_spaces, dim=1)
        ]
        self.start = [parameter.detach().clone() for parameter in self.encoder.residuals.parameters()]

    def batch_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        return self._ratio_loss(batch.rows, batch.positions, generator) + self._prior()

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        return self._ratio_loss(rows, None, generator)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([
            {"params": self.encoder.weights.parameters(), "lr": self.own.weights_rate},
            {"params": self.encoder.residuals.parameters(), "lr": self.learning_rate},
        ])

    def _ratio_loss(self, rows: Tensor, positions: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of rows (n, width), which stand at these positions of the bank or, if None, not in it."""
        device = self.bank.device
        bank = torch.randperm(len(self.bank), generator=generator)[: self.own.bank_rows].to(device)
        own = torch.full((len(rows),), -1, device=device) if positions is None else positions.to(device)
        losses = [
            self._space_loss(space, part, own, bank, generator)
            for space, part in enumerate(rows.chunk(self.n_spaces, dim=1))
        ]
        return torch.stack(losses).sum()

    def _space_loss(self, space: int, rows: Tensor, own: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        made = self.copies[space]
        if not len(made.rows):
            return rows.sum() * 0
        drawn = torch.randint(len(made.rows), (len(rows),), generator=generator).to(bank.device)
        left_out = torch.cat([own.unsqueeze(1) == bank,
                              (made.parents[drawn].unsqueeze(2) == bank).any(dim=1)])
        known = self.bank[bank].chunk(self.n_spaces, dim=1)[space]
        asked = torch.cat([rows, made.rows[drawn]])
        loss = rows.new_zeros(())
        for metric in (self.encoder.weights[space], self.encoder.residuals[space]):
            distances = neighbour_distance(metric(asked), metric(known), self.own.neighbours, left_out)
            loss = loss + self.loss(distances[: len(rows)], distances[len(rows):])
        return loss

    def _prior(self) -> Tensor:
        weights = torch.stack([parameter.square().sum() for parameter in self.encoder.weights.parameters()]).sum()
        moved = torch.stack([(parameter - start.to(parameter)).square().sum() for parameter, start
                             in zip(self.encoder.residuals.parameters(), self.start, strict=True)]).sum()
        return (self.own.weights_prior * weights + self.own.residual_prior * moved) / len(self.bank) ** 2
