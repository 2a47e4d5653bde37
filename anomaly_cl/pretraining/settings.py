"""What a user may set about pretraining, whichever method runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import UsageError
from anomaly_cl.views.tabular import Compose, ResampleCells, View

MethodSettings = TypeVar("MethodSettings")

SCARF_VIEWS: tuple[View, View] = (Compose(), ResampleCells(0.6))  # Bahri et al. 2022: one side as it is
AUTO = "auto"
FEWEST_ROWS = 8  # of training rows, and of held-out rows; fewer hold nothing to contrast with
WATCHED = ("logger", "callbacks", "enable_progress_bar")  # options of the Trainer by which people follow a training


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

    `views` makes the two sides of a positive pair; "auto" chooses them by the rows (see `choose_views`), which takes
    two to three times as long. `embedding_size` None keeps the width of the rows. `entity_pairs` also makes positive
    pairs of rows about the same entity, by a triplet loss beside that of any method.

    `encoder` is what a copy of is trained, from its weights on, in place of a new `ResidualMLP` (by "clip": of
    `TwoTowers`); the settings of sizes then say nothing.
    """

    max_epochs: int = 50
    max_steps: int | None = None
    steps_per_epoch: int = 10
    patience: int = 3
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float = 1e-4
    temperature: float | None = None
    views: tuple[View, View] | str | None = None
    held_out_rows: int = 2_048
    embedding_size: int | None = None
    encoder_width: int = 256
    encoder_depth: int = 1
    entity_pairs: bool = False
    method: object | None = None
    encoder: Encoder | None = field(default=None, repr=False)

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
        if isinstance(self.views, str) and self.views != AUTO:
            raise UsageError(f"views are a pair of views, or {AUTO!r}", f"found {self.views!r}", "give one of these")

    @property
    def view_pair(self) -> tuple[View, View]:
        """The two views, or their defaults; UsageError if they are still to be chosen."""
        if isinstance(self.views, str):
            raise UsageError("views are chosen before a method is built", f"they are {self.views!r}",
                             "train with `pretrain`, or give a pair of views")
        return self.views or SCARF_VIEWS

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


def unwatched(trainer_options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without loggers, callbacks and progress bar: for trainings that only serve another."""
    return {name: value for name, value in trainer_options.items() if name not in WATCHED}
