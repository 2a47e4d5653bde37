"""CLIP: the two parts of a record find each other among the parts of other records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.clip import CLIPLoss
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.settings import TrainingSettings


@dataclass(frozen=True)
class CLIPSettings:
    """Which input columns the first tower reads; the second reads the others. None: the first half of them."""

    tower_a: tuple[int, ...] | None = None


class CLIP(ContrastiveModule):
    """Two towers over two groups of columns, each with a projection head, and their symmetric contrast.

    Radford et al. 2021, figure 3, with a fixed temperature. Only the loss sees the projections; the embedding is that
    of both towers side by side, so distances in it see a strange part as well as parts that do not belong together.
    """

    least_columns: ClassVar[int] = 2
    encoder: TwoTowers

    def __init__(
        self,
        encoder: TwoTowers,
        temperature: float,
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.head_a, self.head_b = ProjectionHead(encoder.tower_a.n_outputs), ProjectionHead(encoder.tower_b.n_outputs)
        self.loss = CLIPLoss(temperature)

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        columns = column_of.unique()
        chosen = settings.of_method(CLIPSettings).tower_a
        if chosen is None:
            chosen = tuple(columns[: (len(columns) + 1) // 2].tolist())
        if unknown := sorted(set(chosen) - set(columns.tolist())):
            raise UsageError(f"tower_a names some of the {len(columns)} input columns by position",
                             f"there is no column {unknown}", "correct the positions")
        part_a = torch.nonzero(torch.isin(column_of, torch.tensor(chosen, dtype=torch.long))).squeeze(1).tolist()
        encoder = TwoTowers(len(column_of), part_a, settings.embedding_size, settings.encoder_width,
                            settings.encoder_depth, seed)
        return cls(encoder, settings.temperature or 0.2, settings.learning_rate, settings.weight_decay, seed)

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        a, b = self.encoder.towers(rows)
        return self.loss(self.head_a(a), self.head_b(b))
