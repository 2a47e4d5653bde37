"""The loss of CLIP: the two parts of a record find each other among the parts of all others (Radford et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.pair_weights import log_weights


def clip_loss(
    a: Tensor, b: Tensor, temperature: float, weights_a: Tensor | None = None, weights_b: Tensor | None = None
) -> Tensor:
    """Mean over both directions of -log softmax of the own partner among all n of the other side.

    Shapes: a, b (n, d), row i of both being parts of the same record; a scalar is returned. Similarities are cosines
    over `temperature` (> 0) (Radford et al. 2021, figure 3). `weights_b` (n, n), if given, says how much part b of
    record j counts as a negative of part a of record i (0: not at all), `weights_a` the other way round; their
    diagonals are not read. Raises UsageError for other shapes or temperatures, or weights below 0.

    >>> clip_loss(torch.eye(2), torch.eye(2), temperature=1.0)  # log(1 + 1 / e)
    tensor(0.3133)
    """
    if a.ndim != 2 or a.shape != b.shape or not len(a):
        raise UsageError("both parts must have the same shape (n, d) with n >= 1",
                         f"found {tuple(a.shape)} and {tuple(b.shape)}", "pass both parts of the same records")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.2")
    similarity = functional.normalize(a, dim=1) @ functional.normalize(b, dim=1).T / temperature
    partner = torch.arange(len(a), device=a.device)
    directions = ((similarity, weights_b), (similarity.T, weights_a))
    losses = [functional.cross_entropy(_weighed(logits, weights), partner) for logits, weights in directions]
    return (losses[0] + losses[1]) / 2


def _weighed(logits: Tensor, weights: Tensor | None) -> Tensor:
    return logits if weights is None else logits + log_weights(weights, tuple(logits.shape)).fill_diagonal_(0)


class CLIPLoss(nn.Module):
    """`clip_loss` at a fixed temperature."""

    def __init__(self, temperature: float = 0.2):
        super().__init__()
        self.temperature = temperature

    def forward(
        self, a: Tensor, b: Tensor, weights_a: Tensor | None = None, weights_b: Tensor | None = None
    ) -> Tensor:
        return clip_loss(a, b, self.temperature, weights_a, weights_b)
