"""The loss of learned metrics: normal rows have nearer neighbours than strange ones, by a large ratio."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError

LEAST, LEAST_SQUARE = 1e-3, 1e-6  # in units of the features


def distance_ratio(normal: Tensor, strange: Tensor, temperature: float) -> Tensor:
    """Mean over all pairs of t softplus((log d - log d') / t), d of a normal and d' of a strange row; a scalar.

    Shapes: normal (n,) and strange (m,), distances above 0 of rows to their neighbours among normal rows; t > 0. Only
    ratios of distances count, so the loss knows no unit, and a metric cannot gain by growing. It is the soft ranking
    of Burges et al. 2005 (RankNet, section 4) on log distances; distances to neighbours, with a row left out of its
    own, are those of Goldberger et al. 2005 and of Weinberger and Saul 2009. Raises UsageError for other shapes, no
    rows, or another temperature.

    >>> distance_ratio(torch.tensor([1.0]), torch.tensor([3.0]), temperature=1.0)  # log(1 + 1 / 3)
    tensor(0.2877)
    """
    if normal.ndim != 1 or strange.ndim != 1 or not len(normal) or not len(strange):
        raise UsageError("distances are (n,) of normal and (m,) of strange rows, with n, m >= 1",
                         f"found {tuple(normal.shape)} and {tuple(strange.shape)}", "pass one distance a row")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.5")
    ratios = normal.log().unsqueeze(1) - strange.log()
    return temperature * functional.softplus(ratios / temperature).mean()


class DistanceRatioLoss(nn.Module):
    """`distance_ratio` at a fixed temperature."""

    def __init__(self, temperature: float = 0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, normal: Tensor, strange: Tensor) -> Tensor:
        return distance_ratio(normal, strange, self.temperature)


def neighbour_distance(rows: Tensor, bank: Tensor, k: int, left_out: Tensor | None = None) -> Tensor:
    """Mean distance (n,) of rows (n, d) to their k nearest rows of a bank (m, d), differentiable in both.

    `left_out` bool (n, m) marks the rows of the bank that a row is not measured to; at least one must remain. Which
    rows are nearest is found without gradient. Distances are never 0, so that they have logarithms and gradients.
    """
    with torch.no_grad():
        apart = torch.cdist(rows, bank)
        if left_out is not None:
            apart = apart.masked_fill(left_out, torch.inf)
        found, near = apart.topk(min(k, bank.shape[0]), dim=1, largest=False)
        usable = torch.isfinite(found)
    distances = ((rows.unsqueeze(1) - bank[near]).square().sum(dim=2) + LEAST_SQUARE).sqrt()
    return (distances * usable).sum(dim=1) / usable.sum(dim=1).clamp(min=1) + LEAST

