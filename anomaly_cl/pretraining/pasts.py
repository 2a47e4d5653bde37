"""CLIP over time: each part of a record and its entity's past find each other among those of other records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.pasts import RecordAndPast
from anomaly_cl.losses.clip import clip_loss
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.settings import TrainingSettings

TEMPERATURE = 0.1  # held-out loss about as good as at .05 and .2; what lies beyond +-1 over it looks alike


@dataclass(frozen=True)
class PastsSettings:
    """The part of a record, numbered from 0 on, that each of its columns belongs to, and the size of its past."""

    part_of: tuple[int, ...]
    size: int

    def encoder(self, settings: TrainingSettings) -> RecordAndPast:
        """A new encoder of such rows."""
        return RecordAndPast(self.part_of, self.size, settings.encoder_width, settings.encoder_depth,
                             settings.temperature or TEMPERATURE)


class PastsCLIP(ContrastiveModule):
    """The mean over a record's parts of `clip_loss` between the part and the past.

    A contrast of the whole record would learn whichever part gives its entity away, and judge by that alone; each part
    by itself also says what does not fit. All negatives count alike, those of the same entity and equal parts too: only
    then does the similarity estimate log p(part | past) / p(part) (van den Oord et al. 2018, section 2.3).
    """

    default_steps: ClassVar[int] = 300
    encoder: RecordAndPast

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        encoder = settings.of_method(PastsSettings).encoder(settings)
        return cls(encoder, settings.learning_rate or cls.default_rate, settings.weight_decay, seed)

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        matched = self.encoder.projections(self.encoder(rows)).unflatten(-1, (len(self.encoder.columns), 2, -1))
        temperature = self.encoder.projections.temperature
        return torch.stack([clip_loss(part[:, 0], part[:, 1], temperature) for part in matched.unbind(dim=1)]).mean()
