"""NeuTraL AD: learned transformations that stay like the row and unlike each other (Qiu et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from apps.benchmark.peers.training import LossDetector, mlp


class NeuTraL(LossDetector):
    """Neural Transformation Learning for Deep Anomaly Detection Beyond Images (Qiu et al., ICML 2021).

    Eleven residual transformations and an encoder, trained together by the deterministic contrastive loss (equation 2),
    which is also the score (equation 4). Layers without bias, as the paper requires against collapse.
    """

    def network(self, rows: Tensor, generator: torch.Generator) -> nn.Module:
        return Transformations(rows.shape[1])


class Transformations(nn.Module):
    """Rows (n, columns) -> deterministic contrastive loss (n,)."""

    def __init__(self, n_columns: int, n_transformations: int = 11, temperature: float = 0.1):
        super().__init__()
        self.transformations = nn.ModuleList(mlp([n_columns, 50, n_columns]) for _ in range(n_transformations))
        self.encoder = mlp([n_columns, 100, 50, 128])
        self.temperature = temperature

    def forward(self, rows: Tensor) -> Tensor:
        views = torch.stack([rows, *(rows + change(rows) for change in self.transformations)], dim=1)
        return deterministic_contrastive_loss(self.encoder(views), self.temperature)


def deterministic_contrastive_loss(embeddings: Tensor, temperature: float) -> Tensor:
    """Losses (n,) of embeddings (n, 1 + K, d), the first of them that of the row itself (Qiu et al. 2021, equation 2).

    Each transformation k is to be nearer to the row than to the other transformations:
    -log h(k, row) / (h(k, row) + sum over l != k of h(k, l)), with h the exponential of cosine over temperature.
    """
    unit = functional.normalize(embeddings, dim=-1)
    logits = unit @ unit.transpose(1, 2) / temperature
    itself = torch.eye(logits.shape[1], dtype=torch.bool)
    log_share = logits.masked_fill(itself, -torch.inf).log_softmax(dim=-1)
    return -log_share[:, 1:, 0].sum(dim=1)
