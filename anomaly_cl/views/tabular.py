"""Views of table rows: altered copies that still describe the same record.

A view is called with rows (n, width), `column_of` (width,) naming the input column that each output belongs to, and a
generator; it returns new rows of the same shape. One input column may own several outputs (a one-hot block, a clock's
sine and cosine): views that alter cells alter all of them together, so that no impossible value arises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import check_rate, chosen_cells, is_number, n_columns, nearest, outputs


class View(Protocol):
    """Rows (n, width) -> altered copy (n, width), reproducible from the generator's state."""

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class GaussianNoise:
    """Adds normal noise to each output; `scale` is its standard deviation, in units of the features."""

    scale: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.scale < float("inf"):
            raise UsageError("the scale of noise must be finite and not negative", f"it is {self.scale}", "correct it")

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(rows.shape, generator=generator, device=generator.device)
        return rows + self.scale * noise.to(rows)


@dataclass(frozen=True)
class ResampleCells:
    """Replaces each cell, with probability `rate`, by that of another row of the batch (SCARF, Bahri et al. 2022).

    Each replaced cell has its own donor, never the row itself, so the marginals stay and the dependencies break. (SCARF
    replaces an exact share of a row's columns; a probability is defined for a single column too.) A row alone in its
    batch has no donor and stays as it is.
    """

    rate: float = 0.3

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        n = len(rows)
        if n < 2:
            return rows.clone()
        chosen = chosen_cells(n, column_of, self.rate, generator)
        steps = torch.randint(1, n, chosen.shape, generator=generator, device=generator.device)
        donors = (torch.arange(n, device=generator.device).unsqueeze(1) + steps) % n
        of_outputs = outputs(donors, column_of).to(rows.device)
        return torch.where(outputs(chosen, column_of).to(rows.device), rows.gather(0, of_outputs), rows)


@dataclass(frozen=True)
class MaskCells:
    """Sets each cell, with probability `rate`, to zero: the centre of standardised features."""

    rate: float = 0.3

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        chosen = chosen_cells(len(rows), column_of, self.rate, generator)
        return rows.masked_fill(outputs(chosen, column_of).to(rows.device), 0)


@dataclass(frozen=True)
class DropColumns:
    """Sets whole columns, each with probability `rate`, to zero in all rows: the batch seen in a random subspace.

    Unlike `MaskCells` it hides the same columns of every row, so that rows still differ by what they hold, not by what
    is hidden (as the subsets of SubTab, Ucar et al. 2021). One column at least is kept.
    """

    rate: float = 0.3

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        kept = chosen_cells(1, column_of, 1 - self.rate, generator, least=1)
        return rows.masked_fill(~outputs(kept, column_of).to(rows.device), 0)


@dataclass(frozen=True)
class MixNeighbour:
    """Moves each row towards one of its `neighbours` nearest rows of the batch, by a share drawn from 0..`strength`.

    Numbers are interpolated (mixup, Zhang et al. 2018, between neighbours only, as SMOTE, Chawla et al. 2002); a
    column of several outputs is taken over whole, with that share as probability. A row alone stays as it is.
    """

    strength: float = 0.5
    neighbours: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1 or self.neighbours < 1:
            raise UsageError("rows move by a share of the way to one of at least one neighbour",
                             f"found strength {self.strength}, neighbours {self.neighbours}",
                             "choose a strength between 0 and 1")

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(rows), generator.device
        if n < 2:
            return rows.clone()
        near = nearest(rows, rows, self.neighbours + 1)[:, 1:]  # the first is the row itself, or a copy of it
        pick = torch.randint(near.shape[1], (n, 1), generator=generator, device=device).to(rows.device)
        towards = rows[near.gather(1, pick).squeeze(1)]
        share = self.strength * torch.rand(n, 1, generator=generator, device=device)
        taken = torch.rand(n, n_columns(column_of), generator=generator, device=device) < share
        mixed = torch.lerp(rows, towards, share.to(rows))
        whole = torch.where(outputs(taken, column_of).to(rows.device), towards, rows)
        return torch.where(is_number(column_of).to(rows.device), mixed, whole)


@dataclass(frozen=True)
class Compose:
    """Applies views one after the other; none of them leaves the rows as they are."""

    views: tuple[View, ...] = ()

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        altered = rows.clone()
        for view in self.views:
            altered = view(altered, column_of, generator)
        return altered
