"""Which records of an entity came last before a record, or before an instant: positions, for any number of rows."""

from __future__ import annotations

import numpy as np

from anomaly_cl.errors import InputError, UsageError

NONE = -1  # an entity that is not known, and a place that no record fills


class LastRecords:
    """The records of each entity in their order: by instant, then by tie order (a rank of the key), as SQL's
    `ROWS BETWEEN k PRECEDING AND 1 PRECEDING` over `PARTITION BY entity ORDER BY instant, key` sees them.

    `entities` (rows,) are codes from 0 on, -1 for none; `instants` (rows,) int64 microseconds; `ties` (rows,) int64,
    which order equal instants (equal ties keep the order of the rows). Rows may stand in any order. Raises InputError
    for unequal lengths or codes below -1.

    >>> last = LastRecords(np.array([0, 0, 1, 0]), np.array([30, 10, 15, 20]), np.arange(4))
    >>> last.before_rows(2).tolist()
    [[3, 1], [-1, -1], [-1, -1], [1, -1]]
    >>> last.before_instants(np.array([0, 1]), np.array([20, 20]), 2).tolist()
    [[1, -1], [2, -1]]
    """

    def __init__(self, entities: np.ndarray, instants: np.ndarray, ties: np.ndarray):
        entities, instants, ties = (np.asarray(column) for column in (entities, instants, ties))
        if entities.ndim != 1 or not entities.shape == instants.shape == ties.shape:
            raise InputError("entities, instants and ties have one number a row each",
                             f"found shapes {entities.shape}, {instants.shape}, {ties.shape}", "give equally many")
        if len(entities) and entities.min() < NONE:
            raise InputError("entity codes are 0 and above, or -1 for none", f"found {entities.min()}",
                             "number the entities")
        self.order = np.lexsort((ties, instants, entities))
        self.entities = entities[self.order]
        self.distinct, ranks = np.unique(instants, return_inverse=True)
        self.places = self._place(self.entities, ranks.reshape(-1)[self.order])

    def before_rows(self, k: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Positions int64 (n, k) of the last k records of the same entity before each of the rows (n,), latest first.

        All rows, if none are named. -1 where there are none, and for rows without entity.
        """
        ends = np.empty(len(self.order), np.int64)
        ends[self.order] = np.arange(len(self.order))
        ends = ends if rows is None else ends[rows]
        return self._backwards(self.entities[ends], ends, k)

    def before_instants(self, entities: np.ndarray, instants: np.ndarray, k: int) -> np.ndarray:
        """The same of entities (n,), each before an instant (n,) of its own: records at the instant do not count."""
        ends = np.searchsorted(self.places, self._place(entities, np.searchsorted(self.distinct, instants)))
        return self._backwards(np.asarray(entities), ends, k)

    def _place(self, entities: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """One rising number (n,) for entity and rank of the instant together."""
        return np.asarray(entities, np.int64) * (len(self.distinct) + 1) + ranks

    def _backwards(self, entities: np.ndarray, ends: np.ndarray, k: int) -> np.ndarray:
        """Positions (n, k) of the records at places ends - 1, ends - 2, ... while they are of the entity."""
        if k < 1:
            raise UsageError("at least the last record is looked for", f"k is {k}", "raise k")
        starts = np.searchsorted(self.entities, np.maximum(entities, 0))
        found = np.full((len(ends), k), NONE, np.int64)
        for back in range(k):
            held = np.flatnonzero((ends - back > starts) & (entities != NONE))
            found[held, back] = self.order[ends[held] - back - 1]
        return found
