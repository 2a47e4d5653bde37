"""Entities that behave alike, and what those like it usually do: arrays of embeddings and of positions come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_matrix, finite_vector
from anomaly_cl.scoring.neighbours import ExactNeighbours

NONE = -1  # a place that no entity or record fills
FEWEST_RECORDS = 5  # with fewer, an entity's embedding says more about the average entity than about this one
FEWEST_VALUES = 10  # of peers, below which they are no yardstick
IQR_OF_NORMAL = 1.349
SMALLEST_SPREAD = 0.05  # of the location: peers that all paid the same leave room for a little more


@dataclass(frozen=True)
class SimilarEntities:
    """Positions (k,) of the entities nearest to one, nearest first, their distances (k,), and which have `few` records.
    """

    positions: np.ndarray
    distances: np.ndarray
    few: np.ndarray


def similar_entities(embeddings: ArrayLike, counts: np.ndarray, entity: int, k: int) -> SimilarEntities:
    """The k entities whose embedding (entities, d) is nearest to that of `entity`, itself left out.

    Euclidean distance: the length of an embedding says how far from the average an entity is, and a cosine forgets it.
    `counts` (entities,) are the records behind each embedding. Fewer than k if there are fewer others. Raises
    UsageError for an entity that is not among them, or k below 1.
    """
    return similar_to_each(embeddings, counts, np.array([entity]), k)[0]


def similar_to_each(
    embeddings: ArrayLike, counts: np.ndarray, of: np.ndarray, k: int
) -> list[SimilarEntities]:
    """The same for each of the entities at positions `of` (n,)."""
    E = _embeddings(embeddings, counts)
    if outside := [int(entity) for entity in of if not 0 <= entity < len(E)]:
        raise UsageError(f"the entity is at one of the positions 0 to {len(E) - 1}", f"it is {outside[0]}",
                         "correct it")
    distances, positions = _nearest_others(E, of, np.arange(len(E)), k)
    return [SimilarEntities(near[near != NONE], apart[near != NONE], counts[near[near != NONE]] < FEWEST_RECORDS)
            for near, apart in zip(positions, distances, strict=True)]


def peers(embeddings: ArrayLike, counts: np.ndarray, m: int) -> np.ndarray:
    """Positions int64 (entities, m) of the m entities nearest to each, nearest first, by Euclidean distance.

    None is its own peer, and those with fewer than 5 records are nobody's. -1 where there are not enough.
    """
    E = _embeddings(embeddings, counts)
    return _nearest_others(E, np.arange(len(E)), np.flatnonzero(counts >= FEWEST_RECORDS), m)[1]


@dataclass(frozen=True)
class PeerAmounts:
    """What the peers of an entity paid, for n records: median and robust spread (n,), and the number of payments (n,).

    The former are NaN where there were none.
    """

    location: np.ndarray
    spread: np.ndarray
    count: np.ndarray

    def deviations(self, amounts: ArrayLike) -> np.ndarray:
        """How many spreads an amount (n,) lies above the location; NaN where fewer than 10 payments are known."""
        floor = np.maximum(SMALLEST_SPREAD * np.abs(self.location), np.finfo(float).tiny)
        found = (finite_vector(amounts) - self.location) / np.maximum(self.spread, floor)
        return np.where(self.count >= FEWEST_VALUES, found, np.nan)


def peer_amounts(amounts: ArrayLike, records: np.ndarray) -> PeerAmounts:
    """Median and interquartile range / 1.349 of the amounts (N,) at the positions `records` (n, m, K), -1 for none.

    For each of n records these are the last K ones of each of m peers; that they are from before it is up to the caller
    (`LastRecords.before_instants`). Every payment counts alike, so that a peer of few has little weight.
    """
    amounts = finite_vector(amounts)
    if records.ndim != 3 or (records.size and not NONE <= records.min() <= records.max() < len(amounts)):
        raise InputError(f"the peers' records are positions (n, peers, K) below {len(amounts)}, or -1",
                         f"found shape {records.shape}", "give those of `before_instants`, reshaped")
    chosen = records.reshape(len(records), -1)
    found = np.full((len(chosen), 3), np.nan)
    counts = (chosen != NONE).sum(axis=1)
    for row in np.flatnonzero(counts):
        found[row] = np.quantile(amounts[chosen[row][chosen[row] != NONE]], (0.25, 0.5, 0.75))
    return PeerAmounts(found[:, 1], (found[:, 2] - found[:, 0]) / IQR_OF_NORMAL, counts)


def _embeddings(embeddings: ArrayLike, counts: np.ndarray) -> np.ndarray:
    E = finite_matrix(embeddings)
    if np.shape(counts) != (len(E),):
        raise InputError("each entity has a number of records", f"{len(E)} have {np.shape(counts)}", "count them")
    return E


def _nearest_others(E: np.ndarray, of: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and positions (of, k) of the nearest `among` the rows of E other than each itself; infinity and -1."""
    if k < 1:
        raise UsageError("at least the nearest entity is looked for", f"k is {k}", "raise k")
    distances, positions = np.full((len(of), k), np.inf), np.full((len(of), k), NONE, np.int64)
    if not len(among) or not len(of):
        return distances, positions
    near, places = ExactNeighbours(E[among]).query(E[of], k + 1)
    found = among[places]
    others = np.argsort(found == of[:, None], axis=1, kind="stable")  # itself, if it is there, goes to the end
    near, found = (np.take_along_axis(each, others, 1) for each in (near, found))
    itself = found == of[:, None]
    near[itself], found[itself] = np.inf, NONE
    n = min(k, found.shape[1])
    distances[:, :n], positions[:, :n] = near[:, :n], found[:, :n]
    return distances, positions
