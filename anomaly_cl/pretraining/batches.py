"""Rows in memory as batches: one index operation a batch, no copy row by row."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset


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


def training_loader(rows: Tensor, batch_size: int, steps: int, seed: int) -> DataLoader:
    """`steps` shuffled batches of rows (n, width) an epoch."""
    return _loader(rows, ShuffledBatches(len(rows), batch_size, steps, seed))


def validation_loader(rows: Tensor, batch_size: int) -> DataLoader:
    """Every row once, always in the same batches of nearly equal size (a loss over few negatives is not comparable)."""
    return _loader(rows, torch.arange(len(rows)).chunk(-(-len(rows) // batch_size)))


def _loader(rows: Tensor, batches: Sampler[Tensor] | tuple[Tensor, ...]) -> DataLoader:
    return DataLoader(TensorDataset(rows), sampler=batches, batch_size=None)
