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
        _check_rate(self.rate)

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        n = len(rows)
        if n < 2:
            return rows.clone()
        chosen = _chosen_cells(n, column_of, self.rate, generator)
        steps = torch.randint(1, n, chosen.shape, generator=generator, device=generator.device)
        donors = (torch.arange(n, device=generator.device).unsqueeze(1) + steps) % n
        of_outputs = _outputs(donors, column_of).to(rows.device)
        return torch.where(_outputs(chosen, column_of).to(rows.device), rows.gather(0, of_outputs), rows)


@dataclass(frozen=True)
class MaskCells:
    """Sets each cell, with probability `rate`, to zero: the centre of standardised features."""

    rate: float = 0.3

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        chosen = _chosen_cells(len(rows), column_of, self.rate, generator)
        return rows.masked_fill(_outputs(chosen, column_of).to(rows.device), 0)


@dataclass(frozen=True)
class Compose:
    """Applies views one after the other; none of them leaves the rows as they are."""

    views: tuple[View, ...] = ()

    def __call__(self, rows: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
        altered = rows.clone()
        for view in self.views:
            altered = view(altered, column_of, generator)
        return altered


def _chosen_cells(n: int, column_of: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Bool (n, input columns): True with probability `rate`."""
    n_columns = int(column_of.max()) + 1 if len(column_of) else 0
    return torch.rand(n, n_columns, generator=generator, device=generator.device) < rate


def _outputs(cells: Tensor, column_of: Tensor) -> Tensor:
    """From one value a cell (n, input columns) to one an output (n, width)."""
    return cells.index_select(1, column_of.to(cells.device))


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise UsageError("the rate of altered cells is a share", f"it is {rate}", "choose it between 0 and 1")
