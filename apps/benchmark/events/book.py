"""Upper bounds: LightGBM on the handbook's features, among them the terminal's share of frauds; and a perfect rank.

Le Borgne et al., chapter 3, section "Baseline feature transformation".
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Self

import numpy as np

from anomaly_cl.errors import UsageError
from apps.benchmark.events.judging import UNSEEN_KIND
from apps.benchmark.events.protocol import AMOUNT, CUSTOMER, DELAY, FRAUD, KIND, TERMINAL, TIME, Scene

SECONDS_A_DAY = 86_400
WINDOWS = (1, 7, 30)  # days
NIGHT_ENDS, SATURDAY = 6, 5


class Supervised:
    """LightGBM, learned from all rows of the training week with their labels."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, scene: Scene) -> Self:
        if find_spec("lightgbm") is None:
            raise UsageError("supervised is LightGBM", "lightgbm is not installed",
                             "run pip install lightgbm, or choose other --models")
        from lightgbm import LGBMClassifier

        self.model = LGBMClassifier(n_estimators=200, learning_rate=0.05, num_leaves=31, min_child_samples=50,
                                    random_state=self.seed, n_jobs=1, verbose=-1)
        rows = scene.training
        self.model.fit(book_features(scene, rows), scene.transactions[FRAUD].to_numpy()[rows])
        return self

    def score(self, scene: Scene) -> np.ndarray:
        return np.asarray(self.model.predict_proba(book_features(scene, scene.test)))[:, 1]


class Ceiling:
    """The best that scores without labels can do: frauds that differ from normal rows first, all others alike."""

    def __init__(self, seed: int):
        pass

    def fit(self, scene: Scene) -> Self:
        return self

    def score(self, scene: Scene) -> np.ndarray:
        kinds = scene.transactions[KIND].to_numpy()[scene.test]
        return ((kinds > 0) & (kinds != UNSEEN_KIND)).astype(np.float64)


def book_features(scene: Scene, rows: slice) -> np.ndarray:
    """The handbook's features (rows, 15) of some rows: the amount, weekend, night; of each of three windows the number
    and mean of the customer's amounts, the row among them; and the number of the terminal's rows and the share of
    frauds in them, in windows that end 7 days before.
    """
    before = scene.transactions.iloc[:rows.stop]
    times = before[TIME]
    seconds = (times - times.iloc[0]).dt.total_seconds().to_numpy()
    amounts, frauds = before[AMOUNT].to_numpy(), before[FRAUD].to_numpy(np.float64)
    delay = DELAY.total_seconds()
    found = [amounts, times.dt.day_of_week >= SATURDAY, times.dt.hour <= NIGHT_ENDS]
    for days in WINDOWS:
        counts, total = window_totals(before[CUSTOMER].to_numpy(), seconds, amounts, 0, days * SECONDS_A_DAY)
        found += [counts, total / counts]
    for days in WINDOWS:
        counts, total = window_totals(
            before[TERMINAL].to_numpy(), seconds, frauds, delay, delay + days * SECONDS_A_DAY)
        found += [counts, total / np.maximum(counts, 1)]
    return np.column_stack([column[rows] for column in found]).astype(np.float64)


def window_totals(
    codes: np.ndarray, seconds: np.ndarray, values: np.ndarray, nearest: float, farthest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Number and sum of the values (rows,) of rows of the same code at (t - farthest, t - nearest], for each row.

    codes: whole numbers; seconds: 0 or more.
    """
    number = np.unique(codes, return_inverse=True)[1]
    step = seconds.max() + farthest + 1  # farther apart than any window, so that codes do not meet
    keys = number * step + seconds
    order = np.argsort(keys, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(values[order])])
    ends, starts = (np.searchsorted(keys[order], keys - age, side="right") for age in (nearest, farthest))
    return ends - starts, summed[ends] - summed[starts]
