"""Other ways to train by the same method: how much hangs on the choice of views, of negatives, or of the two parts?"""

from __future__ import annotations

from dataclasses import replace

from anomaly_cl.pretraining.clip import CLIP, CLIPSettings
from anomaly_cl.pretraining.module import ContrastiveModule
from anomaly_cl.pretraining.neighbours import Neighbours, NeighboursSettings
from anomaly_cl.pretraining.settings import SCARF_VIEWS, TrainingSettings
from anomaly_cl.pretraining.triplet import Triplet, TripletSettings
from anomaly_cl.views.copies import ALL_COPIES
from anomaly_cl.views.negatives import ALL_KINDS
from anomaly_cl.views.tabular import Compose, DropColumns, GaussianNoise, MaskCells, MixNeighbour, ResampleCells, View

VIEWS: dict[str, tuple[View, View]] = {  # the first are the default; ties go to it
    "resampled .6": SCARF_VIEWS,
    "resampled .3": (Compose(), ResampleCells(0.3)),
    "noise .1": (GaussianNoise(0.1), GaussianNoise(0.1)),
    "masked .3": (MaskCells(0.3), MaskCells(0.3)),
    "dropped columns .3": (DropColumns(0.3), DropColumns(0.3)),
    "mixed with a neighbour": (Compose(), MixNeighbour(0.5)),
}
SHARE = 1 / 3  # of the steps: enough to tell views apart


def variants(
    kind: type[ContrastiveModule], settings: TrainingSettings, n_columns: int
) -> dict[str, TrainingSettings]:
    """The settings with other views, or what a method without views has instead: negatives, or two parts of a record.

    A variant that equals the settings is left out, and so is one that leaves a part without columns.
    """
    others: dict[str, TrainingSettings] = {}
    if kind.has_views(settings):
        others = {name: replace(settings, views=views) for name, views in VIEWS.items()}
        settings = replace(settings, views=settings.views or SCARF_VIEWS)
    elif issubclass(kind, Triplet):
        own = settings.of_method(TripletSettings)
        others = {f"only {type(negative).__name__}": replace(settings, method=replace(own, negatives=(negative,)))
                  for negative in ALL_KINDS}
        settings = replace(settings, method=own)
    elif issubclass(kind, Neighbours):
        apart = settings.of_method(NeighboursSettings)
        others = {f"only {type(copies).__name__}": replace(settings, method=replace(apart, kinds=(copies,)))
                  for copies in ALL_COPIES}
        settings = replace(settings, method=apart)
    elif issubclass(kind, CLIP):
        parts = {"first part: every second column": range(0, n_columns, 2),
                 "first part: a third of the columns": range(-(-n_columns // 3))}
        others = {name: replace(settings, method=replace(settings.of_method(CLIPSettings), tower_a=tuple(part)))
                  for name, part in parts.items() if len(part) < n_columns}
    return {name: other for name, other in others.items() if other != settings}


def shortened(settings: TrainingSettings, kind: type[ContrastiveModule]) -> TrainingSettings:
    """The settings with a third of the steps, one at least."""
    steps = min(settings.max_steps or kind.default_steps, settings.max_epochs * settings.steps_per_epoch)
    return replace(settings, max_steps=max(1, int(steps * SHARE)))
