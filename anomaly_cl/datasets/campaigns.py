"""Fraudulent purchases that belong together: who is hit, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cl.datasets.catalogue import NUMBER
from anomaly_cl.datasets.population import Floats, Ints, World


@dataclass(frozen=True)
class Campaigns:
    """Fraudulent rows (n,) that belong together: `of` numbers their campaign; `victim`, `day` of each row."""

    of: Ints
    victim: Ints
    day: Ints


def campaigns(
    world: World, n: int, size: tuple[int, int], days: tuple[float, float], rng: np.random.Generator,
    likely: Floats | float = 1.0,
) -> Campaigns:
    """Campaigns of size[0]..size[1] rows and days[0]..days[1] days; the last is cut so that there are `n` rows.

    Victims are there from the first day and drawn by their activity, times `likely` (customers,).
    """
    sizes = rng.integers(size[0], size[1] + 1, n // size[0] + 1)
    of = np.repeat(np.arange(len(sizes)), sizes)[:n]
    odds = world.customers.activity * (world.customers.joined == 0) * likely
    victim = rng.choice(len(odds), len(sizes), p=odds / odds.sum())
    length = np.minimum(rng.uniform(*days, len(sizes)), world.days)
    begin = rng.random(len(sizes)) * (world.days - length)
    day = np.minimum((begin[of] + rng.random(n) * length[of]).astype(np.int64), world.days - 1)
    return Campaigns(of, victim[of], day)


def only(**weights: float) -> Floats:
    """Weights of the named categories, zero for the others."""
    vector = np.zeros(len(NUMBER))
    for name, weight in weights.items():
        vector[NUMBER[name]] = weight
    return vector
