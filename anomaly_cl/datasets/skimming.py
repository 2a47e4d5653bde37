"""Merchants whose terminal copies cards for four weeks: purchases there are honest by every column, and yet frauds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from anomaly_cl.datasets.catalogue import NUMBER
from anomaly_cl.datasets.population import World
from anomaly_cl.datasets.purchases import Purchases

DAYS = 28  # for which a terminal is compromised
FEWEST = 8  # purchases within them, of a merchant that is chosen


class Skimming:
    """Which honest purchases are frauds: `n` of all those that `days` yields, in one run through them.

    Merchants are chosen at random, among those with some purchases but not most of them, until their purchases within
    28 days are `n`; all of these are frauds, at the last merchant the first ones. Where so many are wanted that 28
    days do not hold them, the whole time is taken. Memory grows with the merchants only.
    """

    def __init__(self, world: World, days: Iterable[Purchases], n: int, kind: int, rng: np.random.Generator):
        m = len(world.merchants.category)
        self.kind = kind
        self.begin = rng.integers(0, max(world.days - DAYS, 0) + 1, m)
        self.end = self.begin + DAYS
        within, total = np.zeros(m, np.int64), np.zeros(m, np.int64)
        for day, rows in enumerate(days):
            visits = np.bincount(rows["merchant"], minlength=m)
            total += visits
            within += np.where(self._open(day), visits, 0)
        if within.sum() < n:
            self.begin, self.end, within = np.zeros(m, np.int64), np.full(m, world.days), total
        handy = (within >= FEWEST) & (within <= max(n // 4, FEWEST)) & (world.merchants.category != NUMBER["bills"])
        order = rng.permutation(m)
        order = order[np.argsort(~handy[order], kind="stable")]
        before = np.cumsum(within[order]) - within[order]
        self.left = np.zeros(m, np.int64)
        self.left[order] = np.clip(n - before, 0, within[order])

    def mark(self, day: int, rows: Purchases) -> None:
        """Give that day's purchases (ordered by time) at skimmed merchants the kind of this fraud; days in order."""
        for merchant in np.flatnonzero(self._open(day) & (self.left > 0)).tolist():
            hit = np.flatnonzero((rows["merchant"] == merchant) & (rows["kind"] == 0))[:self.left[merchant]]
            rows["kind"][hit] = self.kind
            self.left[merchant] -= len(hit)

    def _open(self, day: int) -> npt.NDArray[np.bool_]:
        return (self.begin <= day) & (day < self.end)


def tied(rows: Purchases, share: float, rng: np.random.Generator) -> Purchases:
    """A day's purchases; a share of those that follow one of the same customer is booked in the same second as it."""
    order = np.lexsort((rows["second"], rows["customer"]))
    rows = rows[order]
    again = (np.diff(rows["customer"], prepend=-1) == 0) & (rng.random(len(rows)) < share)
    tied_to = np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))
    rows["second"] = rows["second"][tied_to]
    return rows
