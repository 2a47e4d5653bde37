"""Synthetic negatives: copies of normal rows that no longer look normal, each kind in its own way.

A negative is called with rows (n, width), a bank of normal rows (m, width) that says what is normal (spacing, range,
donors; the rows may be among them), `column_of` (width,) naming the input column that each output belongs to, and a
generator; it returns new rows of the same shape. Numbers may take any value; a column of several outputs (a category, a
clock, a text) takes only values that some row of the bank has.

Each kind breaks something else; a real anomaly may break any of it (kinds as in Han et al. 2022, "ADBench", section
3.3.2: local, global, dependency, clustered).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import check_rate, chosen_cells, from_donors, is_number, nearest, outputs

SPACING_NEIGHBOURS = 5


class Negative(Protocol):
    """Rows (n, width) -> strange copies (n, width), reproducible from the generator's state."""

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class LocalNegative:
    """Moves each row by `least` to `most` times the local spacing, in a random direction within some of its columns.

    The local spacing is the distance to the fifth nearest row of the bank, so a row of a dense region moves less. Each
    column takes part with probability `rate`; columns of several outputs take part by the value of another row.
    """

    least: float = 1.0
    most: float = 3.0
    rate: float = 0.5

    def __post_init__(self) -> None:
        _check_reach(self.least, self.most)
        check_rate(self.rate)

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        if not rows.numel():
            return rows.clone()
        cells = chosen_cells(len(rows), column_of, self.rate, generator, least=1)
        factor = _uniform((len(rows), 1), self.least, self.most, generator).to(rows)
        step = factor * spacing(rows, bank) * _directions(cells, column_of, generator).to(rows)
        return _moved(rows, step, bank, cells, column_of, generator)


@dataclass(frozen=True)
class MarginalNegative:
    """Draws each cell, with probability `rate`, evenly over its column's range in the bank.

    The range is widened on each side by the share `beyond` of itself.
    """

    rate: float = 0.3
    beyond: float = 0.5

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 0 <= self.beyond < float("inf"):
            raise UsageError("a range is widened by a finite share of it, not below 0", f"it is {self.beyond}",
                             "use for example 0.5")

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        if not rows.numel():
            return rows.clone()
        cells = chosen_cells(len(rows), column_of, self.rate, generator, least=1)
        low, high = bank.amin(dim=0), bank.amax(dim=0)
        place = _uniform(tuple(rows.shape), -self.beyond, 1 + self.beyond, generator).to(rows)
        step = torch.where(outputs(cells, column_of).to(rows.device), low + place * (high - low) - rows, 0)
        return _moved(rows, step, bank, cells, column_of, generator)


@dataclass(frozen=True)
class DependencyNegative:
    """Replaces each cell, with probability `rate`, by that of a random row of the bank: usual values, odd together."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        if not rows.numel():
            return rows.clone()
        cells = chosen_cells(len(rows), column_of, self.rate, generator, least=1)
        return from_donors(rows, bank, cells, column_of, generator)


@dataclass(frozen=True)
class ClusterNegative:
    """Moves groups of rows as one, so that each group keeps its inner shape at a place where normal rows are rare.

    A group is what lies nearest to one of at most `groups` random rows. It moves in one random direction by `least` to
    `most` times the rows' median spacing in the bank, within a random part of the columns (each with probability
    `rate`); in columns of several outputs the whole group takes the value of one row.
    """

    groups: int = 8
    least: float = 3.0
    most: float = 6.0
    rate: float = 0.5

    def __post_init__(self) -> None:
        _check_reach(self.least, self.most)
        check_rate(self.rate)
        if self.groups < 1:
            raise UsageError("rows move in at least one group", f"it is {self.groups}", "use for example 8")

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        if not rows.numel():
            return rows.clone()
        centres = torch.randperm(len(rows), generator=generator, device=generator.device)[: self.groups].to(rows.device)
        group = nearest(rows, rows[centres], 1).squeeze(1)
        cells = chosen_cells(len(centres), column_of, self.rate, generator, least=1)
        factor = _uniform((len(centres), 1), self.least, self.most, generator).to(rows)
        step = factor * spacing(rows, bank).median() * _directions(cells, column_of, generator).to(rows)
        donated = from_donors(rows[centres], bank, cells, column_of, generator)
        whole = torch.where(outputs(cells, column_of).to(rows.device)[group], donated[group], rows)
        return torch.where(is_number(column_of).to(rows.device), rows + step[group], whole)


def mixed_negatives(
    kinds: tuple[Negative, ...], rows: Tensor, bank: Tensor, column_of: Tensor, generator: torch.Generator
) -> Tensor:
    """Strange copies (n, width) of rows, a nearly equal share of them by each kind, in the order of the rows."""
    parts = rows.tensor_split(len(kinds))
    return torch.cat([kind(part, bank, column_of, generator) for kind, part in zip(kinds, parts, strict=True)])


def strange_copies(
    negative: Negative, rows: np.ndarray, bank: np.ndarray, column_of: np.ndarray, seed: int
) -> np.ndarray:
    """The same for arrays: rows (n, width) float32 -> strange copies (n, width) float32, reproducible from the seed."""
    as_tensors = (torch.tensor(rows, dtype=torch.float32), torch.tensor(bank, dtype=torch.float32))
    generator = torch.Generator().manual_seed(seed)
    return negative(*as_tensors, torch.tensor(column_of, dtype=torch.long), generator).numpy()


def spacing(rows: Tensor, bank: Tensor) -> Tensor:
    """Distance (n, 1) of each row to its fifth nearest row of the bank, or to the farthest of a smaller bank.

    Where copies make it 0, the least of the others stands in; where all are 0, it is 1, the unit of the features.
    """
    if not len(rows):
        return rows.new_ones(0, 1)
    which = nearest(rows, bank, SPACING_NEIGHBOURS)[:, -1]
    distances = (rows - bank[which]).norm(dim=1, keepdim=True)
    positive = distances[distances > 0]
    return torch.where(distances > 0, distances, positive.min() if len(positive) else distances.new_ones(()))


def _directions(cells: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
    """Random directions (n, width) of length 1 within the chosen columns of numbers; 0 where there is none."""
    draws = torch.randn(len(cells), len(column_of), generator=generator, device=generator.device)
    moved = outputs(cells, column_of) & is_number(column_of).to(cells.device)
    return torch.nn.functional.normalize(draws * moved, dim=1)


def _moved(
    rows: Tensor, step: Tensor, bank: Tensor, cells: Tensor, column_of: Tensor, generator: torch.Generator
) -> Tensor:
    """Numbers go a step; the chosen cells of several outputs take the value of a random row of the bank."""
    whole = from_donors(rows, bank, cells, column_of, generator)
    return torch.where(is_number(column_of).to(rows.device), rows + step, whole)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _check_reach(least: float, most: float) -> None:
    if not 0 < least <= most < float("inf"):
        raise UsageError("rows move by a finite multiple of the spacing, above 0", f"found {least=}, {most=}",
                         "use for example 1 and 3")


ALL_KINDS: tuple[Negative, ...] = (LocalNegative(), MarginalNegative(), DependencyNegative(), ClusterNegative())
