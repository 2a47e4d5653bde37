"""SLAD: how many columns a projection came from (Xu et al., ICML 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apps.benchmark.peers.training import LossDetector, mlp

GROUPS, GROUP_SIZE, PROJECTED, MAGNIFIED = 20, 10, 128, 200.0
MOST_SIZES = 50
FEW_COLUMNS = 10


class SLAD(LossDetector):
    """Fascinating Supervisory Signals and Where to Find Them: Deep Anomaly Detection with Scale Learning (ICML 2023).

    A row is seen as groups of ten random sub-vectors, each projected to 128 numbers by a random matrix of its
    length. A network learns the distribution of their scales (length over 128) in each group; the score is the
    Jensen-Shannon divergence between the learned and the true one, averaged over 20 groups. Scales are lengths alone:
    the weighing of columns by their correlations in the authors' program is left out.
    """

    batch_size = 128

    def network(self, rows: Tensor, generator: torch.Generator) -> nn.Module:
        return Scales(*random_groups(rows.shape[1], generator), generator)


def random_groups(n_columns: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Projections (groups, group size, columns, 128) of random sub-vectors, and their scales (groups, group size).

    Sub-vectors of one length share a matrix; with ten columns or fewer, columns are drawn with replacement.
    """
    sizes = torch.randperm(n_columns, generator=generator)[:MOST_SIZES] + 1
    matrices = {
        int(size): (torch.rand(int(size), PROJECTED, generator=generator) * 2 - 1) / int(size) ** 0.5 for size in sizes
    }
    projections = torch.zeros(GROUPS, GROUP_SIZE, n_columns, PROJECTED)
    scales = torch.zeros(GROUPS, GROUP_SIZE)
    for group in range(GROUPS):
        for member in range(GROUP_SIZE):
            size = int(sizes[torch.randint(len(sizes), (1,), generator=generator)])
            columns = (torch.randint(n_columns, (size,), generator=generator) if n_columns <= FEW_COLUMNS
                       else torch.randperm(n_columns, generator=generator)[:size])
            projections[group, member].index_add_(0, columns, matrices[size])
            scales[group, member] = size / PROJECTED
    return projections, scales


class Scales(nn.Module):
    """Rows (n, columns) -> divergence (n,): of one random group while training, of all groups' mean afterwards."""

    def __init__(self, projections: Tensor, scales: Tensor, generator: torch.Generator):
        super().__init__()
        self.register_buffer("projections", projections)
        self.register_buffer("targets", (MAGNIFIED * scales).log_softmax(dim=-1))
        self.predict = mlp([PROJECTED, 100, 1])
        self.generator = generator

    def forward(self, rows: Tensor) -> Tensor:
        if self.training:
            return self.of_group(rows, int(torch.randint(GROUPS, (1,), generator=self.generator)))
        return torch.stack([self.of_group(rows, group) for group in range(GROUPS)]).mean(dim=0)

    def of_group(self, rows: Tensor, group: int) -> Tensor:
        projected = torch.einsum("nd,cdh->nch", rows, self.projections[group])
        predicted = self.predict(projected).squeeze(-1).log_softmax(dim=-1)
        return jensen_shannon(predicted, self.targets[group].expand_as(predicted))


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Divergence (n,) in nats between distributions given as log-probabilities (n, k) (Lin 1991)."""
    log_m = torch.logaddexp(log_p, log_q) - torch.log(torch.tensor(2.0))
    return 0.5 * ((log_p.exp() * (log_p - log_m)) + (log_q.exp() * (log_q - log_m))).sum(dim=-1)
