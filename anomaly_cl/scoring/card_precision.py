"""Card Precision@k: of the k entities that a team looks into each day, how many are truly compromised.

Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection", chapter 4,
section "Precision top-k metrics"; there of cards, here of any entity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from anomaly_cl.errors import InputError, UsageError


@dataclass(frozen=True)
class EntityDays:
    """Each entity once for each day on which it has rows, the days one after the other.

    starts (days + 1,): where each day begins among the pairs, and the end of the last. entities, compromised (pairs,):
    number of the entity from 0, and whether one of its rows of that day is an anomaly. Within a day the entity with
    the highest score of the day comes first; of equal scores, the smaller entity.
    """

    starts: np.ndarray
    entities: np.ndarray
    compromised: np.ndarray


@dataclass(frozen=True)
class CardPrecision:
    """Card Precision at a budget of entities a day.

    card_precision: mean over the days. best_possible: the same for scores that equal the labels. entities: that have
    rows, compromised: with an anomaly, found: compromised ones that were within the budget on a day of an anomaly.
    """

    budget: int
    card_precision: float
    best_possible: float
    entities: int
    compromised: int
    found: int


def card_precision(
    labels: np.ndarray, scores: np.ndarray, entities: np.ndarray, days: np.ndarray, budget: int
) -> CardPrecision:
    """Card Precision of rows with a label, score, entity (integers) and day each; all (rows,).

    Each day the `budget` entities with the highest score are looked into. CP = mean over days of
    #{compromised that day among them} / budget, where an entity that was found does not count, and takes no place, on
    later days. Only days with rows count. Raises UsageError for a budget below 1, InputError without rows.
    """
    if budget < 1:
        raise UsageError("a budget is a whole number of alerts a day, 1 or more", f"it is {budget}",
                         "write for example --budget 100")
    if not len(labels):
        raise InputError("at least 1 row is needed", "no row has an entity", "choose another column of entities")
    ranked = entity_days(labels, scores, entities, days)
    hits = _hits(ranked, budget)
    best = _hits(entity_days(labels, labels, entities, days), budget)
    compromised = np.unique(ranked.entities[ranked.compromised])
    return CardPrecision(budget, float(hits.mean() / budget), float(best.mean() / budget),
                         int(ranked.entities.max()) + 1, len(compromised), int(hits.sum()))


def card_precision_curve(ranked: EntityDays, budgets: np.ndarray) -> np.ndarray:
    """Card Precision (points,) at each of the budgets (points,)."""
    return np.array([_hits(ranked, budget).mean() / budget for budget in budgets.tolist()])


def entity_days(labels: np.ndarray, scores: np.ndarray, entities: np.ndarray, days: np.ndarray) -> EntityDays:
    """Rank the entities of each day by their highest score of the day, from arrays (rows,)."""
    number = np.unique(entities, return_inverse=True)[1]
    order = np.lexsort((number, days))
    number, days = number[order], days[order]
    first = np.flatnonzero(np.r_[True, (np.diff(number) != 0) | (np.diff(days) != 0)])
    number, days = number[first], days[first]
    highest = np.maximum.reduceat(scores[order], first)
    ranked = np.lexsort((number, -highest, days))
    starts = np.flatnonzero(np.r_[True, np.diff(days) != 0, True])  # ranking leaves the days where they are
    return EntityDays(starts, number[ranked], np.logical_or.reduceat(labels[order] == 1, first)[ranked])


def _hits(ranked: EntityDays, budget: int) -> np.ndarray:
    """Compromised entities found on each day (days,)."""
    found = np.zeros(ranked.entities.max() + 1, bool)
    hits, n_found = np.zeros(len(ranked.starts) - 1, np.int64), 0
    for day, (start, end) in enumerate(pairwise(ranked.starts.tolist())):
        end = min(end, start + budget + n_found)  # whoever comes later has no place within the budget
        entities = ranked.entities[start:end]
        looked_into = np.flatnonzero(~found[entities])[:budget]
        hit = looked_into[ranked.compromised[start:end][looked_into]]
        found[entities[hit]] = True
        hits[day] = len(hit)
        n_found += len(hit)
    return hits
