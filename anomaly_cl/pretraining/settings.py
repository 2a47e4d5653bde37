"""What a user may set about pretraining, whichever method runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from anomaly_cl.errors import UsageError
from anomaly_cl.views.tabular import Compose, ResampleCells, View

MethodSettings = TypeVar("MethodSettings")

SCARF_VIEWS: tuple[View, View] = (Compose(), ResampleCells(0.6))  # Bahri et al. 2022: one side as it is
FEWEST_ROWS = 8  # of training rows, and of held-out rows; fewer hold nothing to contrast with


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of `pretrain`; the defaults fit a CPU. Raises UsageError for values that cannot be meant.

    What is None is left to the method. `method` holds what only one method has: `SimCLRSettings`, `MoCoSettings`,
    `SwAVSettings`, `TripletSettings`, `CLIPSettings` or `NeighboursSettings`.

    An epoch is `steps_per_epoch` batches, whatever the number of rows, so that patience and history mean the same for a
    hundred rows and for a million. Training ends after `max_epochs`, or after the last whole epoch within `max_steps`,
    or when the loss on held-out rows (at most `held_out_rows` of them, evenly spaced) has not fallen for `patience`
    epochs. `max_steps` is a dial from raw geometry to discrimination: in mean AUC-ROC over a few public tables,
    embeddings of 25 to 100 steps were somewhat better than raw distances, those of 300 somewhat worse.

    `views` makes the two sides of a positive pair. `embedding_size` None keeps the width of the rows. `entity_pairs`
    also makes positive pairs of rows about the same entity, by a triplet loss beside that of any method.
    """

    max_epochs: int = 50
    max_steps: int | None = None
    steps_per_epoch: int = 10
    patience: int = 3
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float = 1e-4
    temperature: float | None = None
    views: tuple[View, View] | None = None
    held_out_rows: int = 2_048
    embedding_size: int | None = None
    encoder_width: int = 256
    encoder_depth: int = 1
    entity_pairs: bool = False
    method: object | None = None

    def __post_init__(self) -> None:
        at_least = {"max_epochs": 1, "max_steps": 1, "steps_per_epoch": 1, "patience": 1, "batch_size": 2,
                    "held_out_rows": FEWEST_ROWS, "weight_decay": 0, "encoder_width": 1, "encoder_depth": 0}
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UsageError(f"the training setting {name!r} is at least {least}", f"it is {value}", "raise it")
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"the training setting {name!r} is above 0 and finite", f"it is {value}", "correct it")

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch: `steps_per_epoch`, or `max_steps` where that is less."""
        return min(self.steps_per_epoch, self.max_steps or self.steps_per_epoch)

    @property
    def epochs(self) -> int:
        """The most epochs that training may take."""
        return min(self.max_epochs, self.max_steps // self.epoch_steps) if self.max_steps else self.max_epochs

    def of_method(self, kind: type[MethodSettings]) -> MethodSettings:
        """The settings that only one method has, or their defaults; UsageError if those of another method are given."""
        if self.method is None:
            return kind()
        if not isinstance(self.method, kind):
            raise UsageError(f"this method has its own settings, {kind.__name__}", f"found {self.method!r}",
                             "give those, or leave them out")
        return self.method
