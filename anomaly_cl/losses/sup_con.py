"""Supervised contrast: rows of one class attract, rows of others repel (Khosla et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import UsageError


def sup_con(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Mean over anchors of the mean over their positives of -log softmax among all n - 1 others.

    Shapes: embeddings (n, d), labels (n,); a scalar is returned. Similarities are cosines over `temperature` (> 0)
    (Khosla et al. 2020, eq. 2, "L_out"). Rows without another of their class are negatives but no anchors; raises
    UsageError if there is no anchor at all, for other shapes, or another temperature.

    >>> sup_con(torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1]), temperature=1.0)  # as nt_xent of the two halves
    tensor(0.5514)
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise UsageError("embeddings are (n, d) and labels (n,)",
                         f"found {tuple(embeddings.shape)} and {tuple(labels.shape)}", "give each row its label")
    if not temperature > 0:
        raise UsageError("the temperature must be above 0", f"it is {temperature}", "use for example 0.1")
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = (labels.unsqueeze(0) == labels.unsqueeze(1)) & ~itself
    anchors = positive.any(dim=1)
    if not anchors.any():
        raise UsageError("at least one class has two rows", f"found {len(labels)} rows, no two of one class",
                         "pass two views of each row, or more rows")
    unit = functional.normalize(embeddings, dim=1)
    similarity = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    log_share = functional.log_softmax(similarity, dim=1).masked_fill(~positive, 0)
    return -(log_share.sum(dim=1)[anchors] / positive.sum(dim=1)[anchors]).mean()


class SupConLoss(nn.Module):
    """`sup_con` at a fixed temperature."""

    def __init__(self, temperature: float = 0.1):
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return sup_con(embeddings, labels, self.temperature)
