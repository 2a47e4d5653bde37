"""The loss of SimCLR: normalised temperature-scaled cross entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.pair_weights import log_weights


def nt_xent(a: Tensor, b: Tensor, temperature: float, weights: Tensor | None = None) -> Tensor:
    """Mean over all 2n views of -log softmax of their partner among the 2n - 1 others (Chen et al. 2020, eq. 1).

    Shapes: a, b (n, d), row i of both being views of the same row; a scalar is returned. Similarities are cosines over
    `temperature` (> 0). `weights` (n, n), if given, says how much both views of row j count as negatives of row i (0:
    not at all); its diagonal is not read. Raises UsageError for other shapes or temperatures, or weights below 0.

    >>> nt_xent(torch.eye(2), torch.eye(2), temperature=1.0)  # log(1 + 2 / e)
    tensor(0.5514)
    """
    if a.ndim != 2 or a.shape != b.shape or not len(a):
        raise UsageError("both views must have the same shape (n, d) with n >= 1",
                         f"found {tuple(a.shape)} and {tuple(b.shape)}", "pass two views of the same rows")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.5")
    n = len(a)
    unit = functional.normalize(torch.cat([a, b]), dim=1)
    similarity = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    if weights is not None:
        similarity = similarity + log_weights(weights, (n, n)).fill_diagonal_(0).repeat(2, 2)
    partner = torch.arange(2 * n, device=a.device).roll(n)
    return functional.cross_entropy(similarity, partner)


class NTXentLoss(nn.Module):
    """`nt_xent` at a fixed temperature."""

    def __init__(self, temperature: float = 0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, a: Tensor, b: Tensor, weights: Tensor | None = None) -> Tensor:
        return nt_xent(a, b, self.temperature, weights)
