"""What stands between the embedding and the loss during pretraining; only CLIP keeps it after that."""

from __future__ import annotations

from torch import Tensor, nn


class ProjectionHead(nn.Sequential):
    """Linear, ReLU, linear: embeddings (*, n_inputs) -> projections (*, n_outputs).

    The loss sees projections only, so that what it deletes (length, nuisance directions) stays in the embedding
    (SimCLR, Chen et al. 2020, section 4.2).
    """

    def __init__(self, n_inputs: int, n_outputs: int = 64, width: int = 256):
        super().__init__(nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, n_outputs))
        self.n_outputs = n_outputs

    def forward(self, embeddings: Tensor) -> Tensor:
        return super().forward(embeddings)
