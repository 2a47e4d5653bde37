"""Rows in memory as batches: one index operation a batch, no copy row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from anomaly_cl.pretraining.pairs import PairedRows, Pairs


class Batch(NamedTuple):
    """Rows (n, width), their positions (n,) among all, and the rows of pairs that the user gave, if any."""

    rows: Tensor
    positions: Tensor
    pairs: PairedRows | None = None


class ShuffledBatches(Sampler[Tensor]):
    """Row numbers of `steps` random batches an epoch: long tensors of `batch_size`, or of all rows if there are fewer.

    Passes over freshly shuffled rows follow each other as often as the steps need; a pass drops its incomplete rest, so
    a batch never holds a row twice (it would repel itself).
    """

    def __init__(self, n_rows: int, batch_size: int, steps: int, seed: int):
        self.n_rows, self.batch_size, self.steps = n_rows, min(batch_size, n_rows), steps
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        per_pass = self.n_rows // self.batch_size
        for step in range(self.steps):
            if step % per_pass == 0:
                order = torch.randperm(self.n_rows, generator=self._generator)
            start = step % per_pass * self.batch_size
            yield order[start : start + self.batch_size]


class BatchesWithPairs(Sampler[tuple[Tensor, Tensor]]):
    """Row numbers and pair numbers of each batch."""

    def __init__(self, of_rows: ShuffledBatches, of_pairs: ShuffledBatches):
        self.of_rows, self.of_pairs = of_rows, of_pairs

    def __len__(self) -> int:
        return len(self.of_rows)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.of_rows, self.of_pairs, strict=True)


class Rows(Dataset[Batch]):
    """Rows (n, width), a batch by its row numbers."""

    def __init__(self, rows: Tensor):
        self.rows = rows

    def __getitem__(self, index: Tensor) -> Batch:
        return Batch(self.rows[index], index)


class RowsWithPairs(Dataset[Batch]):
    """Rows (n, width) and pairs of them, a batch by its row numbers and pair numbers."""

    def __init__(self, rows: Tensor, pairs: Pairs):
        self.rows = rows
        self.left, self.right = torch.tensor(pairs.left).long(), torch.tensor(pairs.right).long()
        self.same = torch.tensor(pairs.same).bool()

    def __getitem__(self, index: tuple[Tensor, Tensor]) -> Batch:
        of_rows, of_pairs = index
        left, right = (self.rows[side[of_pairs]] for side in (self.left, self.right))
        return Batch(self.rows[of_rows], of_rows, PairedRows(left, right, self.same[of_pairs]))


def training_loader(
    rows: Tensor, batch_size: int, steps: int, seed: int, pairs: Pairs | None = None
) -> DataLoader[Batch]:
    """`steps` shuffled batches of rows (n, width) an epoch, each with as many of the pairs, if there are any."""
    of_rows = ShuffledBatches(len(rows), batch_size, steps, seed)
    if pairs is None:
        return DataLoader(Rows(rows), sampler=of_rows, batch_size=None)
    of_pairs = ShuffledBatches(len(pairs.same), batch_size, steps, seed + 1)
    return DataLoader(RowsWithPairs(rows, pairs), sampler=BatchesWithPairs(of_rows, of_pairs), batch_size=None)


def validation_loader(rows: Tensor, batch_size: int) -> DataLoader[Batch]:
    """Every row once, always in the same batches of nearly equal size (a loss over few negatives is not comparable)."""
    batches = torch.arange(len(rows)).chunk(-(-len(rows) // batch_size))
    return DataLoader(Rows(rows), sampler=batches, batch_size=None)
