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
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.pretraining.fit import METHODS
from anomaly_cl.table.split import Split
from apps.benchmark.models import FAST, OURS, PLAIN, TRIMMED

TOKEN = Split(0.02)  # ablations are of the ranking, for which the models that calibrate are fitted in vain


@dataclass(frozen=True)
class ChosenRecipe(Recipe):
    """A recipe with only those of its heads that `keep` names; all else is learned as before."""

    keep: frozenset[str] = frozenset()

    def heads(self, found: Contrasted, encoder: TableEncoder) -> dict[str, SpaceHead]:
        return {name: head for name, head in super().heads(found, encoder).items() if name in self.keep}


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
        FAST: searching_fast, PLAIN: partial(quick, None), TRIMMED: partial(quick, "auto"),
    }
    makers |= {f"{OURS}-{method}": partial(pretrained, method) for method in [*METHODS, NO_PRETRAINING]}
    makers |= {f"{OURS}-{method}-alone": partial(chosen_heads, method, sorted(contrastive)) for method in METHODS}
    return makers | {f"{OURS}-{head}": partial(chosen_heads, NO_PRETRAINING, [head]) for head in sorted(plain)}


def pretrained(method: str | None, seed: int) -> TabularDetector:
    """The default detector with this pretraining (None: its own), and no more than a token calibration."""
    detector = benchmark_detector(seed).set_params(calibration=TOKEN)
    return detector if method is None else detector.set_params(pretraining=method)


def searching_fast(seed: int) -> TabularDetector:
    """The default detector with its fast search."""
    return pretrained(None, seed).set_params(search="fast")


def quick(contamination: str | None, seed: int) -> TabularDetector:
    """The same without pretraining; trimmed by `contamination`."""
    return pretrained(NO_PRETRAINING, seed).set_params(contamination=contamination)


def chosen_heads(method: str | None, keep: Collection[str], seed: int) -> ChosenHeads:
    """The same with these heads only."""
    return ChosenHeads(keep, pretrained(method, seed))
