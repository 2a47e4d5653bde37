"""How much a pair of rows counts as a negative: near duplicates are no strangers to each other."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError

ROUNDING = 1e-12  # of the rows' squared length: differences below it are rounding


def duplicate_weights(rows: Tensor, others: Tensor, scale: float = 0.5) -> Tensor:
    """Weights 0..1 (n, m) of `others` (m, width) as negatives of `rows` (n, width): 1 - exp(-d^2 / 2 h^2).

    d is their Euclidean distance, h is `scale` times the median distance of the rows to their nearest other one. So
    equal rows weigh nothing, usual neighbours 0.86, strangers 1. (Soft removal of false negatives, in the sense of
    Chuang et al. 2020, with nearness in place of labels.) Raises UsageError for other shapes or a scale of 0 or less.

    >>> duplicate_weights(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [9.0]]), scale=1.0)
    tensor([[0.0000, 1.0000],
            [0.3935, 1.0000],
            [0.8647, 1.0000]])
    """
    if rows.ndim != 2 or others.ndim != 2 or rows.shape[1] != others.shape[1]:
        raise UsageError("rows are (n, width) and others (m, width)",
                         f"found {tuple(rows.shape)} and {tuple(others.shape)}", "encode both with the same features")
    if not scale > 0:
        raise UsageError("the scale of nearness is above 0", f"it is {scale}", "use for example 0.5")
    between = _squared_distances(rows, others)
    if len(rows) < 2:
        return (between > 0).to(rows)
    nearest = _squared_distances(rows, rows).fill_diagonal_(torch.inf).amin(dim=1).median()
    if nearest == 0:  # half of the rows have a copy: only copies are near
        return (between > 0).to(rows)
    return (-torch.expm1(-between / (2 * scale**2 * nearest))).to(rows)


def log_weights(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What negatives of such weights add to their similarity; raises UsageError unless of this shape and >= 0."""
    if tuple(weights.shape) != shape or not bool((weights >= 0).all()):
        raise UsageError(f"weights of negatives have the shape {shape} and are not negative",
                         f"found {tuple(weights.shape)}, least {weights.min().item() if weights.numel() else 'none'}",
                         "pass a weight for each pair, for example of `duplicate_weights`")
    return weights.log()


def _squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Float64 (n, m), exactly 0 for what differs by rounding only."""
    rows, others = rows.detach().double(), others.detach().double()
    lengths = rows.square().sum(dim=1, keepdim=True) + others.square().sum(dim=1)
    squared = lengths - 2 * rows @ others.T
    return squared.masked_fill(squared <= ROUNDING * lengths, 0)
