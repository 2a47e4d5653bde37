"""DevNet: deviation networks (Pang, Shen and van den Hengel 2019, "Deep anomaly detection with deviation networks").

After the paper, for PyOD 3.6.7 hands the loss its arguments in the wrong order, compares every output with every
label, and draws batches without balance: its scores rank little better than chance.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

MARGIN, REFERENCES = 5.0, 5_000  # a and l of section 4.3
EPOCHS, BATCHES, BATCH_ROWS, WIDTH = 50, 20, 512, 20  # section 5.3: one hidden layer of 20 units


class DevNet:
    """One number a row, pushed five standard deviations above that of normal rows for the labelled anomalies."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows X (n, features) and labels y (n,), 1 = anomaly; half of each batch are anomalies."""
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network_ = nn.Sequential(nn.Linear(X.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
        optimizer = torch.optim.RMSprop(self.network_.parameters(), lr=1e-3, alpha=0.9, weight_decay=1e-2)
        rows, half = torch.tensor(X, dtype=torch.float32), BATCH_ROWS // 2
        sides = [torch.from_numpy(np.flatnonzero(y == label)) for label in (0, 1)]
        labels = torch.arange(2.0).repeat_interleave(half)
        for _ in range(EPOCHS * BATCHES):
            drawn = torch.cat([side[torch.randint(len(side), (half,), generator=generator)] for side in sides])
            loss = deviation_loss(self.network_(rows[drawn]).squeeze(1), labels, generator)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network_.parameters(), 1.0)
            optimizer.step()
        return self

    @torch.no_grad()
    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self.network_(torch.tensor(X, dtype=torch.float32)).squeeze(1).double().numpy()


def deviation_loss(scores: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """|dev| of normal rows, max(0, 5 - dev) of anomalies, in deviations of 5,000 normal draws (equations 5 to 7)."""
    reference = torch.randn(REFERENCES, generator=generator)
    deviation = (scores - reference.mean()) / reference.std()
    return ((1 - labels) * deviation.abs() + labels * (MARGIN - deviation).clamp(min=0)).mean()
