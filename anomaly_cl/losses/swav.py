"""The loss of SwAV: predict the group that the other view of a row was assigned to (Caron et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Soft assignment (n, k) of rows to prototypes, as equal in size as the scores (n, k) allow; rows sum to 1.

    Sinkhorn-Knopp on exp(scores / epsilon): columns are scaled to n / k each, then rows to 1, `iterations` times
    (Caron et al. 2020, eq. 3-5 and appendix A; Cuturi 2013). It works on logarithms, so a small `epsilon` (> 0, the
    weight of the entropy) cannot overflow. No gradient flows through it.

    >>> sinkhorn(torch.tensor([[1.0, 0.0], [1.0, 0.5]]), epsilon=0.05, iterations=100).round().int()
    tensor([[1, 0],
            [0, 1]], dtype=torch.int32)
    """
    if scores.ndim != 2 or not scores.numel():
        raise UsageError("scores are (n, k) with n, k >= 1", f"found {tuple(scores.shape)}",
                         "pass a score for each prototype")
    if not epsilon > 0 or iterations < 1:
        raise UsageError("epsilon is above 0, and at least one iteration is run",
                         f"found {epsilon=}, {iterations=}", "use for example 0.05 and 3")
    log_share = scores / epsilon
    for _ in range(iterations):
        log_share = log_share - log_share.logsumexp(dim=0, keepdim=True)
        log_share = log_share - log_share.logsumexp(dim=1, keepdim=True)
    return log_share.exp()


def swapped_prediction(a: Tensor, b: Tensor, temperature: float, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Mean over rows and sides of the cross entropy of one view's softmax against the other's assignment.

    Shapes: a, b (n, k), the similarities of both views of a row to k prototypes; a scalar is returned (Caron et al.
    2020, eq. 1-2, averaged over the two sides). Raises UsageError for other shapes, or a temperature of 0 or less.
    """
    if a.shape != b.shape:
        raise UsageError("both views have the same shape (n, k)", f"found {tuple(a.shape)} and {tuple(b.shape)}",
                         "pass two views of the same rows")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.1")
    sides = [
        functional.cross_entropy(guessed / temperature, sinkhorn(assigned.detach(), epsilon, iterations))
        for guessed, assigned in ((a, b), (b, a))
    ]
    return (sides[0] + sides[1]) / 2


class SwAVLoss(nn.Module):
    """`swapped_prediction` at fixed settings."""

    def __init__(self, temperature: float = 0.1, epsilon: float = 0.05, iterations: int = 3):
        super().__init__()
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return swapped_prediction(a, b, self.temperature, self.epsilon, self.iterations)
