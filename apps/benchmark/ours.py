"""Our detector as it is, and with parts of it exchanged or left out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from anomaly_cl.detectors.adapters import benchmark_detector
from anomaly_cl.detectors.ensemble import Contrasted, SpaceHead, default_heads
from anomaly_cl.detectors.row_scorer import NO_PRETRAINING, Recipe
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.pretraining.fit import METHODS
from anomaly_cl.table.split import Split
from apps.benchmark.models import OURS, PLAIN, TRIMMED


@dataclass(frozen=True)
class ChosenRecipe(Recipe):
    """A recipe with only those of its heads that `keep` names; all else is learned as before."""

    keep: frozenset[str] = frozenset()

    def heads(self, found: Contrasted) -> dict[str, SpaceHead]:
        return {name: head for name, head in super().heads(found).items() if name in self.keep}


class ChosenHeads(TabularDetector):
    """The detector with some of its heads."""

    def __init__(self, keep: Collection[str], detector: TabularDetector):
        super().__init__(**detector.get_params(deep=False))
        self.keep = keep

    def _recipe(self) -> Recipe:
        recipe = super()._recipe()
        return ChosenRecipe(**{each.name: getattr(recipe, each.name) for each in fields(recipe)},
                            keep=frozenset(self.keep))


def our_models() -> dict[str, Callable[[int], TabularDetector]]:
    """Makers {name: from a seed}: the default; each pretraining, fused and alone; no contrast; heads alone; trimmed."""
    plain = set(default_heads(Contrasted()))
    contrastive = set(default_heads(Contrasted(True, 1.0, True, np.zeros((1, 1))))) - plain
    makers: dict[str, Callable[[int], TabularDetector]] = {
        OURS: benchmark_detector,
        f"{OURS}-without-contrast": partial(chosen_heads, None, sorted(plain)),
        PLAIN: partial(quick, None), TRIMMED: partial(quick, "auto"),
    }
    makers |= {f"{OURS}-{method}": partial(pretrained, method) for method in [*METHODS, NO_PRETRAINING]}
    makers |= {f"{OURS}-{method}-alone": partial(chosen_heads, method, sorted(contrastive)) for method in METHODS}
    return makers | {f"{OURS}-{head}": partial(chosen_heads, NO_PRETRAINING, [head]) for head in sorted(plain)}


def quick(contamination: str | None, seed: int) -> TabularDetector:
    """The detector without pretraining, 2 % of its rows for calibration; trimmed by `contamination`."""
    return pretrained(NO_PRETRAINING, seed).set_params(calibration=Split(0.02), contamination=contamination)


def pretrained(method: str, seed: int) -> TabularDetector:
    """The default detector with this pretraining."""
    return benchmark_detector(seed).set_params(pretraining=method)


def chosen_heads(method: str | None, keep: Collection[str], seed: int) -> ChosenHeads:
    """The default detector with this pretraining (None: its own) and these heads only."""
    return ChosenHeads(keep, benchmark_detector(seed) if method is None else pretrained(method, seed))
