"""The loss of MoCo: a query finds its own key among a queue of other keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.pair_weights import log_weights


def info_nce(
    queries: Tensor, keys: Tensor, queue: Tensor, temperature: float, weights: Tensor | None = None
) -> Tensor:
    """Mean over n queries of -log softmax of the own key among itself and m of the queue (He et al. 2020, eq. 1).

    Shapes: queries and keys (n, d), row i of both being views of the same row; queue (m, d); weights (n, m), if given,
    how much each of the queue counts as a negative of each query (0: not at all). Similarities are cosines over
    `temperature` (> 0). Raises UsageError for other shapes, weights below 0, or another temperature.

    >>> info_nce(torch.eye(2), torch.eye(2), -torch.eye(2), temperature=1.0)  # log(1 + (1 + 1 / e) / e)
    tensor(0.4076)
    """
    fits = queries.ndim == 2 and queries.shape == keys.shape and len(queries) > 0
    if not fits or queue.ndim != 2 or queue.shape[1] != queries.shape[1]:
        raise UsageError("queries and keys are (n, d) with n >= 1, the queue (m, d)",
                         f"found {tuple(queries.shape)}, {tuple(keys.shape)}, {tuple(queue.shape)}",
                         "pass two views of the same rows, and keys of others")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.2")
    queries, keys, queue = (functional.normalize(part, dim=1) for part in (queries, keys, queue))
    own = (queries * keys).sum(dim=1, keepdim=True) / temperature
    others = queries @ queue.T / temperature
    if weights is not None:
        others = others + log_weights(weights, tuple(others.shape))
    similarity = torch.cat([own, others], dim=1)
    return functional.cross_entropy(similarity, torch.zeros(len(queries), dtype=torch.long, device=queries.device))


class InfoNCELoss(nn.Module):
    """`info_nce` at a fixed temperature."""

    def __init__(self, temperature: float = 0.2):
        super().__init__()
        self.temperature = temperature

    def forward(self, queries: Tensor, keys: Tensor, queue: Tensor, weights: Tensor | None = None) -> Tensor:
        return info_nce(queries, keys, queue, self.temperature, weights)
