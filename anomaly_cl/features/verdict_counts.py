"""What people had said, at the time of a record, of the earlier records of its entity: frauds and legitimate ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError

NEVER = np.iinfo(np.int64).max
"""`decided_at` of a record without a verdict."""


@dataclass(frozen=True)
class Lags:
    """Ages of earlier records: `steps` bins of `step` units of time each, from the record's own instant backwards.

    Bin b holds the records of instants in [t - (b + 1) step, t - b step): strictly before the record itself.
    """

    step: int
    steps: int

    def __post_init__(self) -> None:
        if self.step < 1 or self.steps < 1:
            raise UsageError("ages are counted in one or more steps of at least one unit", f"found {self}",
                             "raise them")


@dataclass(frozen=True)
class VerdictHistory:
    """Records, and what was decided of each and when; arrays (n,), times in one integer unit.

    instants: when each happened. is_fraud: its verdict, False where there is none. decided_at: when that became known,
    NEVER where there is no verdict. presume_after: where only frauds are confirmed, the age from which a record that
    nobody has called a fraud counts as legitimate; None if only verdicts count.
    """

    instants: np.ndarray
    is_fraud: np.ndarray
    decided_at: np.ndarray
    presume_after: int | None = None

    def __post_init__(self) -> None:
        for name in ("instants", "decided_at"):
            if np.asarray(getattr(self, name)).dtype.kind not in "iu":
                raise InputError(f"{name} of records are whole numbers", f"they are {getattr(self, name).dtype}",
                                 "give for example microseconds since 1970")
        lengths = {len(self.instants), len(self.is_fraud), len(self.decided_at)}
        if len(lengths) > 1:
            raise InputError("each record has an instant, a verdict and its time", f"found {sorted(lengths)} of them",
                             "give equally many")
        if self.presume_after is not None and self.presume_after < 1:
            raise UsageError("a record can be presumed legitimate after some time", f"it is {self.presume_after}",
                             "give a positive age")

    def known(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks (n,) of the records known as fraud, and known or presumed legitimate, at one instant."""
        decided = self.decided_at <= at
        fraud = decided & self.is_fraud
        legitimate = decided & ~self.is_fraud
        if self.presume_after is not None:
            legitimate |= ~fraud & (self.instants + self.presume_after <= at)
        return fraud, legitimate


def verdict_counts(
    history: VerdictHistory, history_entities: ArrayLike, entities: ArrayLike, instants: ArrayLike, lags: Lags
) -> tuple[np.ndarray, np.ndarray]:
    """Frauds and legitimate records known at each row's instant, of its entity, by age: two int32 (steps, rows).

    Args:
        history: the earlier records; rows to be scored may stand among them.
        history_entities: code (n,) of the entity of each of them; negative where it is missing.
        entities: code (rows,) of the rows' entities; one that no record has, such as -1, gives zeros.
        instants: (rows,) when the rows happened.

    A verdict counts only at instants from its `decided_at` on. Exact: counts are differences of ranks.
    """
    own, entities = np.asarray(history_entities, np.int64), np.asarray(entities, np.int64)
    instants = np.asarray(instants, np.int64)
    queries = _Queries(entities, instants)
    reach = lags.step * lags.steps
    near = (own >= 0) & np.isin(own, entities)
    if len(instants):
        near &= (history.instants >= instants.min() - reach) & (history.instants < instants.max())
    places = np.flatnonzero(near)
    places = places[np.lexsort((history.instants[places], own[places]))]  # neighbours in order are found faster
    happened, decided = history.instants[places].astype(np.int64), history.decided_at[places].astype(np.int64)
    own, fraud = own[places], np.asarray(history.is_fraud, bool)[places]
    frauds = _by_age(queries, own[fraud], happened[fraud], decided[fraud], lags)
    good = ~fraud
    if history.presume_after is None:
        return frauds, _by_age(queries, own[good], happened[good], decided[good], lags)
    presumed = happened + history.presume_after
    legitimate = _by_age(queries, own[good], happened[good], np.minimum(decided, presumed)[good], lags)
    late = fraud & (decided > presumed)  # taken for legitimate until the verdict
    legitimate += _by_age(queries, own[late], happened[late], presumed[late], lags)
    legitimate -= _by_age(queries, own[late], happened[late], decided[late], lags)
    return frauds, legitimate


class _Queries:
    """Entities and instants as one sortable number each: times become ranks among the instants asked for."""

    def __init__(self, entities: np.ndarray, instants: np.ndarray):
        self.times = np.unique(instants)
        keys = entities * self._stride + np.searchsorted(self.times, instants)
        self.keys, self.place = np.unique(keys, return_inverse=True)

    @property
    def _stride(self) -> int:
        return len(self.times) + 1

    def known_by(self, entities: np.ndarray, since: np.ndarray) -> np.ndarray:
        """For each row, how many of these events of its and of lower entities had happened by its instant (rows,)."""
        keys = entities * self._stride + np.searchsorted(self.times, since)
        first_rows = np.searchsorted(self.keys, keys)
        return np.cumsum(np.bincount(first_rows, minlength=len(self.keys) + 1))[:-1][self.place]


def _by_age(
    queries: _Queries, entities: np.ndarray, happened: np.ndarray, since: np.ndarray, lags: Lags
) -> np.ndarray:
    """Records that count from `since` on, by their age at each row's instant: int32 (steps, rows)."""
    counts = np.zeros((lags.steps, len(queries.place)), np.int32)
    if not len(entities):
        return counts
    newer = queries.known_by(entities, np.maximum(happened + 1, since))
    for bin_ in range(lags.steps):
        # records of lower entities are in both, and cancel
        older = queries.known_by(entities, np.maximum(happened + 1 + (bin_ + 1) * lags.step, since))
        counts[bin_] = newer - older
        newer = older
    return counts
