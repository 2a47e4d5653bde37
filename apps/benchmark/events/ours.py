"""Our event detector: as it is, with confirmations, and with parts of it exchanged or left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.row_scorer import NO_PRETRAINING, Recipe
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.features.deviation_kinds import KINDS
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history import HistoryPlan
from apps.benchmark.events.history import Remembered
from apps.benchmark.events.protocol import AMOUNT, CUSTOMER, KEY, TERMINAL, TIME, Scene
from apps.benchmark.models import OURS
from apps.benchmark.ours import ChosenRecipe

CONFIRMED_DAYS = 28  # whose verdicts confirmations are learned from, up to the end of the training week
CUSTOMER_AMOUNT = f"{AMOUNT} for {CUSTOMER}"


@dataclass(frozen=True)
class Change:
    """What is other than the default: kinds of deviation left out, the only deviation kept, equal weights, the only
    heads kept, and whether strange records of the days before count.
    """

    without: str | None = None
    only: str | None = None
    equal: bool = False
    heads: frozenset[str] | None = None
    recurrence: bool = True


class ChangedDeviations(EntityDeviations):
    """Deviations with other weights than those learned."""

    def __init__(self, plan: HistoryPlan, change: Change):
        super().__init__(plan)
        self.change = change

    def _weigh(self) -> None:
        super()._weigh()
        change = self.change
        for name, weight in self.weights_.items():
            left_out = self.by_name[name].kind == change.without or change.only not in (None, name)
            self.weights_[name] = 0.0 if left_out else 1.0 if change.equal else weight


class ChangedEvents(EventDetector):
    """The event detector with a change."""

    def __init__(self, change: Change, **settings: Any):
        super().__init__(**settings)
        self.change = change

    @property
    def deviations_(self) -> EntityDeviations:
        return self._changed

    @deviations_.setter
    def deviations_(self, made: EntityDeviations) -> None:
        """`fit` makes the default ones, before it learns what they need."""
        self._changed = ChangedDeviations(made.plan, self.change)

    def _recipe(self) -> Recipe:
        recipe, heads = super()._recipe(), self.change.heads
        if heads is None:
            return recipe
        return ChosenRecipe(**{each.name: getattr(recipe, each.name) for each in fields(recipe)}, keep=heads)

    def _learn_recurrence(self, records: pa.Table, n_before: int, *learned_from: Any) -> None:
        super()._learn_recurrence(records, n_before, *learned_from)
        if not self.change.recurrence:
            self.recurrence_.lifts_ = dict.fromkeys(self.recurrence_.roles, 1.0)


class Ours:
    """The event detector, trained on the normal rows of the week with all records before them as history."""

    def __init__(self, make: Callable[..., EventDetector], seed: int, *, anew: bool = False):
        """make: from settings; anew: compute what other runs have left, too, so that seconds mean something."""
        self.make, self.seed, self.anew = make, seed, anew

    def fit(self, scene: Scene) -> Self:
        self.detector = self.make(key=KEY, entity=[CUSTOMER, TERMINAL], time=TIME, random_state=self.seed,
                                  engine=Remembered(scene.kept, anew=self.anew))
        self.detector.fit(scene.records(scene.normal), scene.records_before(scene.training.start))
        return self

    def score(self, scene: Scene) -> np.ndarray:
        return self.detector.decision_function(scene.records(scene.test), scene.records_before(scene.test.start))


class Confirmed(Ours):
    """The same with what was found of transactions 7 days after each."""

    def fit(self, scene: Scene) -> Self:
        super().fit(scene)
        end = scene.training.stop
        start = scene.days(7 - CONFIRMED_DAYS, 7).start
        self.detector = self.detector.confirmed(
            scene.records(slice(start, end)), scene.verdicts(scene.week.day(14)), scene.records_before(start))
        return self

    def score(self, scene: Scene) -> np.ndarray:
        return self.detector.decision_function(
            scene.records(scene.test), scene.records_before(scene.test.start),
            verdicts=scene.verdicts(scene.week.day(21)))


class WithoutHistory:
    """Our detector of tables on each record's own amount and clock."""

    def __init__(self, seed: int):
        self.detector = TabularDetector(NO_PRETRAINING, seed)

    def fit(self, scene: Scene) -> Self:
        self.detector.fit(scene.records(scene.normal)[[TIME, AMOUNT]])
        return self

    def score(self, scene: Scene) -> np.ndarray:
        return self.detector.decision_function(scene.records(scene.test)[[TIME, AMOUNT]])


def our_models() -> dict[str, Callable[[int], Any]]:
    """Makers {name: from a seed}: the default, confirmed, ablations, and the record by itself."""
    def changed(**what: Any) -> Callable[[int], Ours]:
        return partial(Ours, partial(ChangedEvents, Change(**what)))

    makers: dict[str, Callable[[int], Any]] = {
        OURS: partial(Ours, EventDetector, anew=True),
        f"{OURS}-confirmed": partial(Confirmed, EventDetector),
        f"{OURS}-without-recurrence": changed(recurrence=False),
        f"{OURS}-equal-weights": changed(equal=True),
        f"{OURS}-without-knn": changed(heads=frozenset({"columns"})),
        f"{OURS}-customer-amount-only": changed(only=CUSTOMER_AMOUNT),
        f"{OURS}-neighbours": partial(Ours, partial(EventDetector, pretraining="neighbours")),
        f"{OURS}-customer-tower": partial(Ours, partial(EventDetector, towers=[CUSTOMER])),
        f"{OURS}-record-alone": WithoutHistory,
    }
    return makers | {f"{OURS}-without-{kind}": changed(without=kind) for kind in KINDS}
