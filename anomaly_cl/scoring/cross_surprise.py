"""Surprise of the very steps that a curve is learned from: each is judged by the others, as a new step will be."""

from __future__ import annotations

import numpy as np

from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.fusion import Surprise

FOLDS = 10
MOST_ASIDE = 2  # parts that are set aside on each side of one, so that half of the steps remain
MOST_LEARNED = 20_000  # steps, evenly spaced; more of a long series tell a curve nothing new


def cross_surprise(distances: np.ndarray, gap: int) -> np.ndarray:
    """Surprise (steps,) of distances (steps,) in order of time, each by a curve of those that are not near.

    The steps are cut into ten successive parts; the curve that judges a part is learned from the others but for `gap`
    steps on both sides (at most twice the part). By a curve of all, no step would be farther than what the curve
    knows, as new ones are, and a mean over several curves would be too low for them: the more so, the more the steps
    depend on each other. InputError if not finite.
    """
    distances = finite_vector(distances, fewest=1)
    found = np.empty(len(distances))
    for part in np.array_split(np.arange(len(distances)), FOLDS):
        if len(part):
            aside = min(gap, MOST_ASIDE * len(part))
            others = np.concatenate([distances[:max(part[0] - aside, 0)], distances[part[-1] + aside + 1:]])
            learned = others[::1 + len(others) // MOST_LEARNED] if len(others) else distances
            found[part] = Surprise().fit(learned)(distances[part])
    return found
