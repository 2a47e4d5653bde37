"""Neighbour contrast: metrics in which normal rows have near neighbours, and strange copies of them have not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.distance_ratio import DistanceRatioLoss, neighbour_distance
from anomaly_cl.pretraining.averaged import AveragedModule
from anomaly_cl.pretraining.batches import Batch
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.copies import ALL_COPIES, Copies, CopyKind, draw_copies

FEWEST_STEPS, FEWEST_COPIES = 20, 600


@dataclass(frozen=True)
class NeighboursSettings:
    """How the metrics are learned.

    copies: strange copies made once, in each space, of these `kinds`. neighbours: the nearest rows that a distance is
    measured to, of all training rows or `bank_rows` random ones a step (a bank much thinner than the one that scores
    would teach other distances). prior: / n^2 for n training rows, the weight of the squared way that the residual has
    gone from its start. In spaces wider than `wide` columns there are fewer copies and steps, in proportion.
    """

    copies: int = 2_000
    kinds: tuple[CopyKind, ...] = ALL_COPIES
    neighbours: int = 3
    bank_rows: int = 4_000
    prior: float = 360.0
    wide: int = 400

    def __post_init__(self) -> None:
        if min(self.copies, self.neighbours, self.wide) < 1 or self.bank_rows < 4 or not self.kinds:
            raise UsageError("neighbour contrast needs copies of some kind, neighbours, and a bank of four rows",
                             f"found {self}", "leave the settings at their defaults")


class Neighbours(AveragedModule):
    """A metric a space, raw geometry and a residual, learned by the ratio of distances to normal neighbours.

    Rows come in several spaces side by side. In each, the distance of a normal row to its nearest others is made small
    against that of strange copies of normal rows to theirs, each row and the parents of each copy being left out of the
    bank (`distance_ratio`). There is no projection head: those distances are what is used later. The metrics start
    from raw geometry and are held near it, the more so the fewer rows there are.
    """

    default_steps: ClassVar[int] = 120
    default_rate: ClassVar[float] = 3e-3
    default_batch: ClassVar[int] = 64
    in_all_spaces: ClassVar[bool] = True
    n_spaces: ClassVar[int] = 3
    encoder: SpaceMetrics
    bank: Tensor

    def __init__(
        self, encoder: SpaceMetrics, column_of: Tensor, temperature: float, learning_rate: float, seed: int = 0,
        own: NeighboursSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, seed)
        self.loss = DistanceRatioLoss(temperature)
        self.column_of, self.own = column_of, own or NeighboursSettings()

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        return cls(SpaceMetrics(len(column_of), cls.n_spaces), column_of[: len(column_of) // cls.n_spaces],
                   settings.temperature or 0.5, settings.learning_rate or cls.default_rate, seed,
                   settings.of_method(NeighboursSettings))

    @classmethod
    def steps_for(cls, settings: TrainingSettings, width: int) -> int:
        steps = super().steps_for(settings, width)
        wide = settings.of_method(NeighboursSettings).wide * cls.n_spaces
        return steps if width <= wide else max(min(FEWEST_STEPS, steps), round(steps * wide / width))

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Keep the rows as bank, and make the strange copies."""
        self.register_buffer("bank", rows, persistent=False)
        share = min(1.0, self.own.wide / len(self.column_of))
        n_copies = max(min(FEWEST_COPIES, self.own.copies), round(self.own.copies * share))
        self.copies: list[Copies] = [
            draw_copies(part, self.column_of, n_copies, generator, self.own.kinds)
            for part in rows.chunk(self.n_spaces, dim=1)
        ]
        self.start = [parameter.detach().clone() for parameter in self.encoder.parameters()]

    def batch_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        return self._ratio_loss(batch.rows, batch.positions, generator) + self._prior()

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        return self._ratio_loss(rows, None, generator)

    def _ratio_loss(self, rows: Tensor, positions: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of rows (n, width), which stand at these positions of the bank or, if None, not in it."""
        bank = torch.arange(len(self.bank))
        if len(bank) > self.own.bank_rows:
            bank = torch.randperm(len(bank), generator=generator)[: self.own.bank_rows]
        bank = bank.to(rows.device)
        known = self.bank[bank]
        own = torch.full((len(rows),), -1) if positions is None else positions
        losses = [
            self._space_loss(space, part, near, own.to(rows.device), bank, generator)
            for space, (part, near) in enumerate(zip(*(part.chunk(self.n_spaces, dim=1) for part in (rows, known)),
                                                     strict=True))
        ]
        return torch.stack(losses).sum()

    def _space_loss(
        self, space: int, rows: Tensor, known: Tensor, own: Tensor, bank: Tensor, generator: torch.Generator
    ) -> Tensor:
        made = self.copies[space]
        if not len(made.rows):
            return rows.sum() * 0
        drawn = torch.randint(len(made.rows), (len(rows),), generator=generator)
        copies, parents = (part[drawn].to(rows.device) for part in made)
        left_out = torch.cat([own.unsqueeze(1) == bank, (parents.unsqueeze(2) == bank).any(dim=1)])
        metric = self.encoder.metrics[space]
        distances = neighbour_distance(metric(torch.cat([rows, copies])), metric(known), self.own.neighbours, left_out)
        return self.loss(distances[: len(rows)], distances[len(rows):])

    def _prior(self) -> Tensor:
        gone = [(now - start.to(now)).square().sum()
                for now, start in zip(self.encoder.parameters(), self.start, strict=True)]
        return self.own.prior * torch.stack(gone).sum() / len(self.bank) ** 2
