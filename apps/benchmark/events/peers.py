"""Peers without labels, on columns made of what customers and terminals did before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.event_table import LEAST_WEIGHT
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.shrinkage import largest_or, shrunk, shrunk_spread
from apps.benchmark.events.history import FILE, PLAN, as_records, read_history
from apps.benchmark.events.protocol import AMOUNT, CUSTOMER, Scene
from apps.benchmark.models import standardised

DETECTORS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "KNN": ("pyod.models.knn.KNN", {"n_neighbors": 5, "method": "mean"}, ()),
    "IForest": ("pyod.models.iforest.IForest", {"n_estimators": 200}, ("random_state",)),
    "ECOD": ("pyod.models.ecod.ECOD", {}, ()),
}
RAW = [(statistic, window) for window in ("7 days", "30 days") for statistic in ("n", "sum", "mean", "max")]
RAW += [("mean", "past"), ("spread", "past"), ("median", "50 rows")]  # of the amount, for customer and terminal each


class EventColumns:
    """The amount and the deviations that our detector takes of the same normal rows, without its weights."""

    def fit(self, scene: Scene) -> Self:
        rows = scene.training
        normal = pa.array(scene.normal - rows.start)
        self.learned_ = EntityDeviations(PLAN).fit(
            as_records(scene.records(rows)).take(normal), read_history(scene.kept / FILE, rows).take(normal))
        self.names_ = [name for name, weight in self.learned_.weights_.items() if weight >= LEAST_WEIGHT]
        return self

    def columns(self, scene: Scene, rows: slice) -> np.ndarray:
        """Columns (rows, n), NaN where the past says nothing."""
        records = scene.records(rows)
        values = self.learned_.transform(as_records(records), read_history(scene.kept / FILE, rows))
        return np.column_stack([records[AMOUNT], *(values.column(name).to_numpy() for name in self.names_)])


class FiveAmounts:
    """The amount, and four comparisons with the customer's earlier ones, picked by hand for these data.

    With m and s the customer's mean and spread, shrunk towards the mean of normal rows: a, ln((a + 1) / (m + 1)),
    (a - m) / max(s, 1), and the logarithms of a + 1 over the median, and over the largest, of the last 50 plus 1.
    """

    def fit(self, scene: Scene) -> Self:
        self.usual_ = float(scene.transactions[AMOUNT].to_numpy()[scene.normal].mean())
        return self

    def columns(self, scene: Scene, rows: slice) -> np.ndarray:
        past = read_history(scene.kept / FILE, rows)

        def of(statistic: str, window: str = "past") -> np.ndarray:
            return past.column(PLAN.column(CUSTOMER, statistic, window, amount=AMOUNT).sql_name).to_numpy()

        a, n, last = scene.records(rows)[AMOUNT].to_numpy(), of("n"), "50 rows"
        mean = shrunk(of("mean"), n, self.usual_)
        spread = shrunk_spread(of("spread"), n, mean)
        median = shrunk(of("median", last), of("n", last), self.usual_)
        largest = largest_or(of("max", last), of("n", last), self.usual_)
        return np.column_stack([a, np.log((a + 1) / (mean + 1)), (a - mean) / np.maximum(spread, 1),
                                np.log((a + 1) / (median + 1)), np.log((a + 1) / (largest + 1))])


class ManyAmounts(FiveAmounts):
    """The five, and 22 sums, means, medians, spreads and maxima of amounts of the customer and of the terminal."""

    def columns(self, scene: Scene, rows: slice) -> np.ndarray:
        past = read_history(scene.kept / FILE, rows)
        raw = [past.column(PLAN.column(entity, statistic, window, amount=AMOUNT).sql_name).to_numpy()
               for entity in PLAN.entities for statistic, window in RAW]
        return np.column_stack([super().columns(scene, rows), *raw])


class Peer:
    """A detector of PyOD on standardised columns; what the past does not tell is put at the column's mean."""

    def __init__(self, made_of: Callable[[], Any], detector: str, seed: int):
        path, settings, seed_names = DETECTORS[detector]
        self.made_of, self.detector = made_of(), standardised(path, settings, seed_names, seed)

    def fit(self, scene: Scene) -> Self:
        self.made_of.fit(scene)
        rows = scene.training
        X = self.made_of.columns(scene, rows)[scene.normal - rows.start]
        self.means_ = np.nan_to_num(np.nanmean(X, axis=0))
        self.detector.fit(self._filled(X))
        return self

    def score(self, scene: Scene) -> np.ndarray:
        return self.detector.decision_function(self._filled(self.made_of.columns(scene, scene.test)))

    def _filled(self, X: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(X), self.means_, X)


def peers() -> dict[str, Callable[[int], Peer]]:
    """Makers {name: from a seed}."""
    made: dict[str, Callable[[int], Peer]] = {
        f"{name}-{columns}": partial(Peer, made_of, name)
        for columns, made_of in {"events": EventColumns, "AMT5": FiveAmounts}.items() for name in DETECTORS
    }
    return made | {"KNN-27": partial(Peer, ManyAmounts, "KNN")}
