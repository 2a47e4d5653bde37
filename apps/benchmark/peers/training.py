"""What the deep peers share: a network that gives each row a loss, trained on normal rows; the loss is the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

SCORED_ROWS = 256


class LossDetector:
    """A detector whose score of a row is its loss under a network trained on normal rows.

    A peer gives `network(rows, generator)`: a module from rows (n, features) to losses (n,), `generator` being for
    random choices of its own. Adam trains it for `epochs` passes in batches, and for more where that is fewer than
    `least_steps`, as on small sets. Rows are expected standardised.
    """

    epochs = 100
    batch_size = 64
    learning_rate = 1e-3
    least_steps = 2_000

    def __init__(self, seed: int = 0, epochs: int | None = None, least_steps: int | None = None):
        self.seed = seed
        self.epochs = self.epochs if epochs is None else epochs
        self.least_steps = self.least_steps if least_steps is None else least_steps

    def network(self, rows: Tensor, generator: torch.Generator) -> nn.Module:
        raise NotImplementedError

    def fit(self, X: np.ndarray, y: Any = None) -> Self:
        """Train on normal rows X (n, features)."""
        rows = torch.tensor(X, dtype=torch.float32)
        order = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)  # torch initialises layers from its global generator only
            self.network_ = self.network(rows, order).train()
        optimizer = torch.optim.Adam(self.network_.parameters(), self.learning_rate)
        # batches of equal size, so that none is a single row, which batch normalisation cannot take
        n_batches = max(len(rows) // self.batch_size, 1)
        for _ in range(max(self.epochs, math.ceil(self.least_steps / n_batches))):
            for batch in torch.randperm(len(rows), generator=order).tensor_split(n_batches):
                optimizer.zero_grad()
                self.network_(rows[batch]).mean().backward()
                optimizer.step()
        self.network_.eval()
        return self

    @torch.no_grad()
    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Losses (n,) float64 of rows X (n, features): higher = stranger."""
        parts = torch.tensor(X, dtype=torch.float32).split(SCORED_ROWS)
        return torch.cat([self.network_(part) for part in parts]).double().numpy()


def mlp(widths: Sequence[int], *, bias: bool = False) -> nn.Sequential:
    """Linear layers of these widths with LeakyReLU between them."""
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs, bias=bias), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])
