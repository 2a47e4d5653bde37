"""Strange copies of normal rows that remember the rows they were made from, so that these can be left out.

Some kinds of negative alter one row, as those of `anomaly_cl.views.negatives`; others make a row out of two, its
parents. A copy lies near its parents by construction: a distance to normal rows is only fair without them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import chosen_cells, from_donors, is_number, n_columns, outputs

FEW = 0.5  # of the rows: a column of fewer different values is one of levels


class Levels:
    """The different values of number columns that have few, such as counts and grades: copies keep to them."""

    def __init__(self, bank: Tensor, column_of: Tensor):
        numbers = torch.nonzero(is_number(column_of)).squeeze(1).tolist()
        found = {column: bank[:, column].unique() for column in numbers}
        self.of_column = {column: levels for column, levels in found.items() if 1 < len(levels) < FEW * len(bank)}

    def snap(self, rows: Tensor, cells: Tensor) -> Tensor:
        """Rows (n, width) whose altered cells, bool (n, width), take the nearest level, unless beyond the range."""
        snapped = rows.clone()
        for column, levels in self.of_column.items():
            values = rows[:, column].contiguous()
            nearest = levels[torch.searchsorted((levels[1:] + levels[:-1]) / 2, values)]
            inside = (values > levels[0]) & (values < levels[-1]) & cells[:, column]
            snapped[:, column] = torch.where(inside, nearest, values)
        return snapped


class Drawn(NamedTuple):
    """What a kind makes copies from: rows and partners (n, width) of the bank (m, width), and its columns."""

    rows: Tensor
    partners: Tensor
    bank: Tensor
    column_of: Tensor
    levels: Levels

    def merge(self, numbers: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
        """Copies (n, width): chosen cells (n, input columns) take numbers as given, other columns a donor's value."""
        altered = outputs(cells, self.column_of).to(self.rows.device)
        whole = from_donors(self.rows, self.bank, cells, self.column_of, generator)
        moved = torch.where(is_number(self.column_of).to(self.rows.device) & altered, numbers, whole)
        return self.levels.snap(moved, altered)


class CopyKind(Protocol):
    """Drawn rows -> strange copies (n, width), reproducible from the generator's state."""

    @property
    def from_both(self) -> bool:
        """Whether a copy lies near its partner too."""

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Between:
    """A share of the way, `least` to `most`, from a row to another: usual values, in places where no row is."""

    least: float = 0.3
    most: float = 0.7
    from_both: ClassVar[bool] = True

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        share = _uniform(len(drawn.rows), self.least, self.most, generator).to(drawn.rows)
        return _towards(drawn, share, generator)


@dataclass(frozen=True)
class Beyond:
    """Away from another row, by `least` to `most` times the way from it."""

    least: float = 0.3
    most: float = 1.5
    from_both: ClassVar[bool] = False

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        share = _uniform(len(drawn.rows), self.least, self.most, generator).to(drawn.rows)
        return _towards(drawn, -share, generator)


@dataclass(frozen=True)
class Spliced:
    """Cells of two rows, each cell of the other with a probability of `least` to `most`: broken dependencies."""

    least: float = 0.2
    most: float = 0.8
    from_both: ClassVar[bool] = True

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        rate = _uniform(len(drawn.rows), self.least, self.most, generator)
        cells = chosen_cells(len(drawn.rows), drawn.column_of, rate, generator, least=1)
        return torch.where(outputs(cells, drawn.column_of).to(drawn.rows.device), drawn.partners, drawn.rows)


@dataclass(frozen=True)
class FewCells:
    """One to `most` cells, each of a random row: a dependency broken in few places."""

    most: int = 3
    from_both: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.most < 1:
            raise UsageError("at least one cell is replaced", f"it is {self.most}", "use for example 3")

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        count = torch.randint(1, self.most + 1, (len(drawn.rows), 1), generator=generator, device=generator.device)
        rate = (count / max(n_columns(drawn.column_of), 1)).clamp(max=1)
        cells = chosen_cells(len(drawn.rows), drawn.column_of, rate, generator, least=1)
        return from_donors(drawn.rows, drawn.bank, cells, drawn.column_of, generator)


@dataclass(frozen=True)
class Scattered:
    """Cells evenly over their column's range, widened on each side by the share `beyond`; from few cells to all."""

    beyond: float = 0.25
    least_rate: float = 0.1
    from_both: ClassVar[bool] = False

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        n = len(drawn.rows)
        rate = _uniform(n, math.log(self.least_rate), 0.0, generator).exp()
        cells = chosen_cells(n, drawn.column_of, rate, generator, least=1)
        low, high = drawn.bank.amin(dim=0), drawn.bank.amax(dim=0)
        place = torch.rand(drawn.rows.shape, generator=generator, device=generator.device).to(drawn.rows)
        scattered = low + (high - low) * ((1 + 2 * self.beyond) * place - self.beyond)
        return drawn.merge(scattered, cells, generator)


@dataclass(frozen=True)
class Noise:
    """Normal noise on some cells, at a scale of `least` to `most` standard deviations, drawn a row on a log scale."""

    least: float = 0.03
    most: float = 3.0
    least_rate: float = 0.1
    from_both: ClassVar[bool] = False

    def __call__(self, drawn: Drawn, generator: torch.Generator) -> Tensor:
        n = len(drawn.rows)
        rate = _uniform(n, self.least_rate, 1.0, generator)
        cells = chosen_cells(n, drawn.column_of, rate, generator, least=1)
        scale = _uniform(n, math.log(self.least), math.log(self.most), generator).exp().to(drawn.rows)
        noise = torch.randn(drawn.rows.shape, generator=generator, device=generator.device).to(drawn.rows)
        return drawn.merge(drawn.rows + scale * drawn.bank.std(dim=0, correction=0) * noise, cells, generator)


ALL_COPIES: tuple[CopyKind, ...] = (Between(), FewCells(), Spliced(), Beyond(), Scattered(), Noise())


class Copies(NamedTuple):
    """Strange copies (m, width), and the positions (m, 2) in the bank of their parents, twice the same if one."""

    rows: Tensor
    parents: Tensor


def draw_copies(
    bank: Tensor, column_of: Tensor, n: int, generator: torch.Generator, kinds: tuple[CopyKind, ...] = ALL_COPIES
) -> Copies:
    """About n strange copies of random rows of a bank (m, width), a nearly equal share of each kind.

    Copies that equal a parent, as those of categories may, are left out. Constant columns take no part.
    """
    live = bank.std(dim=0, correction=0) > 0
    levels = Levels(bank, column_of)
    rows, parents = [], []
    for kind in kinds:
        size, device = (2, -(-n // len(kinds))), generator.device
        origin, partner = torch.randint(len(bank), size, generator=generator, device=device).to(bank.device)
        drawn = Drawn(bank[origin], bank[partner], bank, column_of, levels)
        rows.append(torch.where(live, kind(drawn, generator), drawn.rows))
        parents.append(torch.stack([origin, partner if kind.from_both else origin], dim=1))
    made, of = torch.cat(rows), torch.cat(parents)
    differs = (made.unsqueeze(1) != bank[of]).any(dim=2).all(dim=1)
    return Copies(made[differs], of[differs])


def _towards(drawn: Drawn, share: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers move by a share of the way to the partner; a column of several outputs is the partner's or the row's."""
    n = len(drawn.rows)
    taken = chosen_cells(n, drawn.column_of, share.abs().clamp(max=1).to(generator.device), generator)
    whole = torch.where(outputs(taken, drawn.column_of).to(drawn.rows.device), drawn.partners, drawn.rows)
    moved = torch.lerp(drawn.rows, drawn.partners, share)
    copies = torch.where(is_number(drawn.column_of).to(drawn.rows.device), moved, whole)
    return drawn.levels.snap(copies, torch.ones_like(copies, dtype=torch.bool))


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, 1, generator=generator, device=generator.device)
