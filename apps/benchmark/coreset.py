"""What a bank that holds only a part of the normal rows costs: the same models with banks of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.data import Split, one_class_split, read_set
from apps.benchmark.models import Detector, Model, Standardised, peers
from apps.benchmark.results import Job

if TYPE_CHECKING:
    from anomaly_cl.detectors.tabular import TabularDetector

SIZES = (1_024, 2_048, 4_096, 8_192, 20_000)
TEST_ROWS = 10_000
FEWEST_NORMAL = 0.6  # normal rows of a set to each training row asked for; with fewer, all sizes would be one
FAST, KNN, EXACT = "fast", "KNN-5", "exact"


@dataclass(frozen=True)
class BankJob(Job):
    """A model on the one-class split of up to `train_rows` training and 10,000 test rows."""

    train_rows: int = SIZES[-1]

    def file(self, out: Path) -> Path:
        file = super().file(out)
        return file.with_name(f"{file.stem}-rows-{self.train_rows}.json")

    def split(self, y: np.ndarray) -> Split:
        return one_class_split(y, self.seed, self.train_rows, TEST_ROWS)


class FirstRows:
    """A detector that learns from the first rows only, an even draw where the rows are in random order."""

    def __init__(self, n_rows: int, detector: Detector):
        self.n_rows, self.detector = n_rows, detector

    def fit(self, X: np.ndarray) -> Self:
        self.detector.fit(X[:self.n_rows])
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self.detector.decision_function(X)


def fast(bank_rows: int, seed: int) -> TabularDetector:
    """The default detector with its fast search and a bank of this size; all training rows train its metrics."""
    from apps.benchmark.ours import searching_fast  # Lightning takes seconds to import, and kNN does without

    return searching_fast(seed).set_params(bank_rows=bank_rows)


def exact(seed: int) -> TabularDetector:
    """The default detector with its exact search and its own bank."""
    from apps.benchmark.ours import pretrained

    return pretrained(None, seed)


def nearest(bank_rows: int, seed: int) -> Standardised:
    """PyOD's mean distance to the five nearest of this many rows, on columns standardised by all training rows."""
    return Standardised(FirstRows(bank_rows, peers()[KNN].make(seed).detector))


def bank_models(sizes: Sequence[int], names: Sequence[str] | None = None) -> dict[str, Model]:
    """Makers {name-size: model}, and the exact search as it is; `names` takes those only.

    Raises UsageError for an unknown name.
    """
    if unknown := sorted(set(names or ()) - {FAST, KNN, EXACT}):
        raise UsageError(f"models are among {[FAST, KNN, EXACT]}", f"found {unknown}", "correct the names")
    made: dict[str, Any] = {}
    for size in sizes:
        made[f"{FAST}-{size}"] = FAST, Model(partial(fast, size), "anomaly_cl")
        made[f"{KNN}-{size}"] = KNN, Model(partial(nearest, size), "pyod")
    made[EXACT] = EXACT, Model(exact, "anomaly_cl")
    return {name: model for name, (kind, model) in made.items() if not names or kind in names}


def large_sets(sets: Sequence[Path], train_rows: int) -> list[Path]:
    """The data sets with enough normal rows; raises InputError if there is none."""
    fewest = FEWEST_NORMAL * train_rows
    found = [path for path in sets if (read_set(path)[1] == 0).sum() >= fewest]
    if not found:
        raise InputError(f"banks of {train_rows} rows are compared on data sets of {fewest:g} normal rows or more",
                         f"none of {len(sets)} has them", "lower --rows, or give larger data sets")
    return found


def coreset_jobs(
    sets: Sequence[Path], seeds: Sequence[int], train_rows: int, sizes: Sequence[int],
    names: Sequence[str] | None = None,
) -> list[BankJob]:
    """Each model with each size of its bank, on the same rows."""
    models = bank_models(sizes, names)
    return [BankJob(data, name, model, seed, train_rows=train_rows)
            for seed in seeds for data in sets for name, model in models.items()]
