"""Cells of rows: which to alter, what their outputs are, and which rows are near.

One input column may own several outputs (a one-hot block, a clock's sine and cosine, a number with its missing flag):
such a block is altered as a whole and takes only values that some row has. A column of a single output is a number, and
may take any value.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError


def chosen_cells(n: int, column_of: Tensor, rate: float | Tensor, generator: torch.Generator, least: int = 0) -> Tensor:
    """Bool (n, input columns): True with probability `rate`, and in each row in at least `least` (0 or 1) columns.

    `rate` is one number, or one a row (n, 1).
    """
    draws = torch.rand(n, n_columns(column_of), generator=generator, device=generator.device)
    chosen = draws < rate
    if least and draws.numel():
        chosen.scatter_(1, draws.argmin(dim=1, keepdim=True), True)
    return chosen


def n_columns(column_of: Tensor) -> int:
    return int(column_of.max()) + 1 if len(column_of) else 0


def outputs(cells: Tensor, column_of: Tensor) -> Tensor:
    """From one value a cell (n, input columns) to one an output (n, width)."""
    return cells.index_select(1, column_of.to(cells.device))


def is_number(column_of: Tensor) -> Tensor:
    """Bool (width,): whether an output is the only one of its column."""
    return torch.bincount(column_of)[column_of] == 1


def from_donors(rows: Tensor, bank: Tensor, cells: Tensor, column_of: Tensor, generator: torch.Generator) -> Tensor:
    """A copy of rows (n, width) whose chosen cells are those of random rows of the bank, a donor for each cell."""
    donors = torch.randint(len(bank), cells.shape, generator=generator, device=generator.device)
    values = bank.gather(0, outputs(donors, column_of).to(bank.device))
    return torch.where(outputs(cells, column_of).to(rows.device), values, rows)


def nearest(rows: Tensor, bank: Tensor, k: int) -> Tensor:
    """Positions (n, k) in the bank (m, width) of the nearest rows, nearest first; k is lowered to m."""
    return torch.cdist(rows, bank).topk(min(k, len(bank)), dim=1, largest=False).indices


def check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise UsageError("the rate of altered cells is a share", f"it is {rate}", "choose it between 0 and 1")
