"""Pairs of rows that the user knows to be of the same kind, or of different kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import nearest


@dataclass(frozen=True)
class Pairs:
    """A table of row number, row number, same or different: three arrays (m,) of the training rows' positions, bool.

    Raises UsageError for arrays of other or unequal shapes, row numbers that are no integers, or no pairs.
    """

    left: np.ndarray
    right: np.ndarray
    same: np.ndarray

    def __post_init__(self) -> None:
        for name in ("left", "right", "same"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        shapes = [column.shape for column in (self.left, self.right, self.same)]
        whole = self.left.dtype.kind in "iu" and self.right.dtype.kind in "iu" and self.same.dtype.kind in "biu"
        if shapes[0] == (0,) or len(set(shapes)) > 1 or len(shapes[0]) != 1 or not whole:
            raise UsageError("pairs are row numbers, row numbers and whether they are alike, each (m,) with m >= 1",
                             f"found shapes {shapes}", "give for example Pairs([0, 0], [5, 9], [True, False])")

    def check(self, n_rows: int) -> None:
        """Raise UsageError unless all row numbers are among 0..n_rows - 1 and no row is paired with itself."""
        numbers = np.concatenate([self.left, self.right])
        if numbers.min() < 0 or numbers.max() >= n_rows or (self.left == self.right).any():
            raise UsageError(f"each pair is of two of the {n_rows} training rows",
                             f"found rows {numbers.min()} to {numbers.max()}, "
                             f"{(self.left == self.right).sum()} paired with themselves", "correct the row numbers")


def pairs_among(pairs: Pairs, positions: np.ndarray) -> Pairs | None:
    """The pairs of which both rows are at one of the ascending positions, as places among these; None if none is."""
    places = [np.searchsorted(positions, side) for side in (pairs.left, pairs.right)]
    held = np.isin(pairs.left, positions) & np.isin(pairs.right, positions)
    return Pairs(places[0][held], places[1][held], pairs.same[held]) if held.any() else None


def pairs_of_entities(entities: np.ndarray, rng: np.random.Generator) -> Pairs | None:
    """Each row with another one of its entity, as pairs that are the same; None if no entity has two rows.

    `entities` int (n,) are numbers of whom the rows are about, below 0: unknown. The rows of an entity form a ring in
    random order, each paired with the next, so that an entity of many rows counts by its rows, not by their square.
    """
    known = rng.permutation(np.flatnonzero(entities >= 0))
    known = known[np.argsort(entities[known], kind="stable")]
    _, starts, sizes = np.unique(entities[known], return_index=True, return_counts=True)
    following = np.arange(1, len(known) + 1)
    following[starts + sizes - 1] = starts  # the last of an entity is followed by its first
    left, right = known, known[following]
    paired = left != right
    return Pairs(left[paired], right[paired], np.ones(paired.sum(), bool)) if paired.any() else None


def evenly_mixed(tables: Sequence[Pairs]) -> Pairs | None:
    """The pairs of all tables, those of shorter ones repeated, so that each table has nearly the same share."""
    if not tables:
        return None
    most = max(len(table.same) for table in tables)
    repeated = [np.resize(np.arange(len(table.same)), most // len(table.same) * len(table.same)) for table in tables]
    return Pairs(*(
        np.concatenate([getattr(table, name)[index] for table, index in zip(tables, repeated, strict=True)])
        for name in ("left", "right", "same")
    ))


class PairedRows(NamedTuple):
    """The rows of m pairs: left and right (m, width), same bool (m,)."""

    left: Tensor
    right: Tensor
    same: Tensor


class TripletRows(NamedTuple):
    """The rows of t triplets: anchor, positive and negative (t, width)."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def triplets_of(pairs: PairedRows, rows: Tensor, generator: torch.Generator) -> TripletRows:
    """Each pair completed to a triplet by a row of a batch (n, width).

    The left row is the anchor. Of a pair that is the same, the negative is a random row; of a pair that is different,
    the positive is the row nearest to the anchor.
    """
    left, right, same = pairs
    random = torch.randint(len(rows), (len(left),), generator=generator, device=generator.device).to(rows.device)
    alike = same.bool().unsqueeze(1)
    near = rows[nearest(left, rows, 2)]
    is_anchor = (near[:, :1] == left.unsqueeze(1)).all(dim=2)
    positive = torch.where(is_anchor, near[:, -1], near[:, 0])
    return TripletRows(left, torch.where(alike, right, positive), torch.where(alike, rows[random], right))
