"""CLIP over time: a record and its entity's past find each other among the pasts and records of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from anomaly_cl.encoders.pasts import RecordAndPast
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.clip import CLIP, CLIPSettings
from anomaly_cl.pretraining.settings import TrainingSettings


@dataclass(frozen=True)
class PastsSettings:
    """`n_columns` of a record, and the `size` of its past."""

    n_columns: int
    size: int

    def __post_init__(self) -> None:
        if min(self.n_columns, self.size) < 1:
            raise UsageError("a record has one column or more, and its past one place", f"found {self}", "raise it")


class PastsCLIP(CLIP):
    """`CLIP` of the towers of a `RecordAndPast`.

    Equal records are no strangers to each other, and two records of one entity have nearly one past: negatives count
    by how far their parts are from the own partner (`duplicate_weights`).
    """

    default_steps: ClassVar[int] = 300

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        own = settings.of_method(PastsSettings)
        encoder = RecordAndPast(own.n_columns, own.size, settings.encoder_width, settings.encoder_depth)
        return cls(encoder, settings.temperature or 0.2, settings.learning_rate or cls.default_rate,
                   settings.weight_decay, seed, CLIPSettings(weigh_duplicates=True))
