"""Triplet losses, an anchor nearer to a positive than to a negative, and the search for triplets that teach something.

All distances are Euclidean, of embeddings as they are: lengths are not normalised away.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError

LEAST = 1e-12  # squared distances below this count as this, so that roots and logarithms have gradients


class Triplets(NamedTuple):
    """Positions (t,) of anchors, positives and negatives among the embeddings they were mined from."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def triplet_margin(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean of max(0, |a - p| - |a - n| + margin) over triplets (t, d) (Schroff et al. 2015, eq. 3).

    Distances are not squared, as Hermans et al. 2017 advise; a scalar is returned. Raises UsageError for other shapes,
    no triplets, or a negative margin.

    >>> a, p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.5]])
    >>> triplet_margin(a, p, n, margin=1.0)
    tensor(0.5000)
    """
    if not margin >= 0:
        raise UsageError("a margin is not negative", f"it is {margin}", "use for example 1")
    to_positive, to_negative = _squared_sides(anchor, positive, negative)
    return functional.relu(to_positive.sqrt() - to_negative.sqrt() + margin).mean()


def soft_triplet(anchor: Tensor, positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of softplus(log |a - p|^2 - log |a - n|^2) over triplets (t, d): the soft margin on log distances.

    This is -log of the share |a - n|^2 / (|a - p|^2 + |a - n|^2): the stochastic triplet embedding of van der Maaten &
    Weinberger 2012 with the kernel 1 / d^2, which is their Student kernel far from its core. It knows no unit: neither
    a margin nor the spread of the rows must be known. `weights` (t,), if given, say how much each triplet counts; if
    all are 0, so is the loss. Raises UsageError for other shapes or no triplets.

    >>> a, p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 2.0]])
    >>> soft_triplet(a, p, n)  # log(1 + 1 / 4)
    tensor(0.2231)
    """
    to_positive, to_negative = _squared_sides(anchor, positive, negative)
    losses = functional.softplus(to_positive.log() - to_negative.log())
    if weights is None:
        return losses.mean()
    if weights.shape != losses.shape:
        raise UsageError(f"weights of triplets have the shape {tuple(losses.shape)}", f"found {tuple(weights.shape)}",
                         "pass a weight for each triplet")
    return (weights * losses).sum() / weights.sum().clamp(min=LEAST)


def batch_hard(embeddings: Tensor, groups: Tensor) -> Triplets:
    """For each anchor its farthest positive and nearest negative (Hermans et al. 2017, "batch hard").

    Embeddings (n, d); rows of equal number in `groups` (n,) are positives of each other, all others negatives. Anchors
    that lack either are left out.
    """
    distances, same, other = _pairs(embeddings, groups)
    positive = distances.masked_fill(~same, -torch.inf).argmax(dim=1)
    negative = distances.masked_fill(~other, torch.inf).argmin(dim=1)
    anchor = torch.nonzero(same.any(dim=1) & other.any(dim=1)).squeeze(1)
    return Triplets(anchor, positive[anchor], negative[anchor])


def semi_hard(embeddings: Tensor, groups: Tensor) -> Triplets:
    """For each positive pair the nearest of the negatives beyond the positive (Schroff et al. 2015, section 3.2).

    Where none lies beyond, the farthest negative is taken, which is the least hard one. Shapes as in `batch_hard`.
    """
    distances, same, other = _pairs(embeddings, groups)
    anchor, positive = torch.nonzero(same & other.any(dim=1, keepdim=True)).unbind(dim=1)
    candidates, is_negative = distances[anchor], other[anchor]
    beyond = is_negative & (candidates > distances[anchor, positive].unsqueeze(1))
    nearest = candidates.masked_fill(~beyond, torch.inf).argmin(dim=1)
    farthest = candidates.masked_fill(~is_negative, -torch.inf).argmax(dim=1)
    return Triplets(anchor, positive, torch.where(beyond.any(dim=1), nearest, farthest))


class TripletMarginLoss(nn.Module):
    """`triplet_margin` at a fixed margin."""

    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.margin = margin

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin(anchor, positive, negative, self.margin)


class SoftTripletLoss(nn.Module):
    """`soft_triplet` as a module."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
        return soft_triplet(anchor, positive, negative, weights)


def _squared_sides(anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    shapes = {tuple(part.shape) for part in (anchor, positive, negative)}
    if len(shapes) > 1 or anchor.ndim != 2 or not len(anchor):
        raise UsageError("anchors, positives and negatives have one shape (t, d) with t >= 1",
                         f"found {sorted(shapes)}", "pass at least one whole triplet")
    to_positive, to_negative = ((anchor - end).square().sum(dim=1).clamp(min=LEAST) for end in (positive, negative))
    return to_positive, to_negative


def _pairs(embeddings: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances, and which pairs are positive and negative; each (n, n)."""
    if embeddings.ndim != 2 or groups.shape != embeddings.shape[:1]:
        raise UsageError("embeddings are (n, d) and groups (n,)",
                         f"found {tuple(embeddings.shape)} and {tuple(groups.shape)}", "give each row its group")
    detached = embeddings.detach()
    alike = groups.unsqueeze(0) == groups.unsqueeze(1)
    itself = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    return torch.cdist(detached, detached), alike & ~itself, ~alike
