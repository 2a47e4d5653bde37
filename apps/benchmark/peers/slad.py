"""SLAD: how many columns a projection came from (Xu et al., ICML 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apps.benchmark.peers.training import LossDetector, mlp

GROUPS, GROUP_SIZE, PROJECTED, MAGNIFIED = 20, 10, 128, 200.0
MOST_SIZES = 50
REPEATED_UP_TO, WEIGHED_BELOW = 10, 50  # columns


class SLAD(LossDetector):
    """Fascinating Supervisory Signals and Where to Find Them: Deep Anomaly Detection with Scale Learning (ICML 2023).

    A row is seen as 20 groups of ten random sub-vectors, each projected to 128 numbers by a random matrix of its
    length. A network learns the distribution of their scales in each group; the score is how far the predicted
    distribution is from the true one, averaged over the groups. Sizes, column weights and the loss are those of the
    authors' program, where they go beyond the paper.
    """

    epochs = 500  # of one group a step; the authors' 100 epochs draw five or more samples of the rows each
    batch_size = 128

    def network(self, rows: Tensor, generator: torch.Generator) -> nn.Module:
        return Scales(*random_groups(column_weights(rows), generator), generator)


def column_weights(rows: Tensor) -> Tensor:
    """Weights (columns,), 0 to 1: how strongly a column is correlated with all; 1 in tables of 50 columns or more."""
    n_columns = rows.shape[1]
    if n_columns >= WEIGHED_BELOW:
        return torch.ones(n_columns)
    strength = torch.corrcoef(rows.T).nan_to_num(0.0).abs().mean(dim=0)
    low, high = strength.aminmax()
    return (strength - low) / (high - low) if high > low else torch.ones(n_columns)


def random_groups(weights: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Projections (groups, group size, columns, 128) of random sub-vectors, and their scales (groups, group size).

    Sub-vectors of one length share a matrix; a scale is the weight of the columns over 128. With ten columns or fewer,
    columns are drawn with replacement.
    """
    n_columns = len(weights)
    sizes = (torch.randperm(n_columns, generator=generator)[:MOST_SIZES] + 1).tolist()
    matrices = {size: (torch.rand(size, PROJECTED, generator=generator) * 2 - 1) / size**0.5 for size in sizes}
    projections = torch.zeros(GROUPS, GROUP_SIZE, n_columns, PROJECTED)
    scales = torch.zeros(GROUPS, GROUP_SIZE)
    for group in range(GROUPS):
        for member in range(GROUP_SIZE):
            size = sizes[int(torch.randint(len(sizes), (1,), generator=generator))]
            columns = (torch.randint(n_columns, (size,), generator=generator) if n_columns <= REPEATED_UP_TO
                       else torch.randperm(n_columns, generator=generator)[:size])
            projections[group, member].index_add_(0, columns, matrices[size])
            scales[group, member] = weights[columns].sum() / PROJECTED
    return projections, scales


class Scales(nn.Module):
    """Rows (n, columns) -> distance (n,): of one random group while training, of all groups' mean afterwards."""

    projections: Tensor
    targets: Tensor

    def __init__(self, projections: Tensor, scales: Tensor, generator: torch.Generator):
        super().__init__()
        self.register_buffer("projections", projections)
        self.register_buffer("targets", (MAGNIFIED * scales).softmax(dim=-1))
        self.predict = mlp([PROJECTED, 100, 1])
        self.generator = generator

    def forward(self, rows: Tensor) -> Tensor:
        if self.training:
            return self.of_group(rows, int(torch.randint(GROUPS, (1,), generator=self.generator)))
        return torch.stack([self.of_group(rows, group) for group in range(GROUPS)]).mean(dim=0)

    def of_group(self, rows: Tensor, group: int) -> Tensor:
        projected = torch.einsum("nd,cdh->nch", rows, self.projections[group])
        predicted = self.predict(projected).squeeze(-1).softmax(dim=-1)
        return alignment_loss(predicted, self.targets[group].expand_as(predicted))


def alignment_loss(p: Tensor, q: Tensor) -> Tensor:
    """Distances (n,) between distributions (n, k), as the authors' program takes them: KL(m, s(p)) + KL(m, s(q)).

    m is the mean of p and q, and s a softmax of the probabilities themselves. It is not the Jensen-Shannon divergence
    of the paper, which detected much worse in our trials, nor is it 0 at p = q.
    """
    m = (p + q) / 2
    entropy = torch.special.entr(m).sum(dim=-1)
    return -2 * entropy - (m * (p.log_softmax(dim=-1) + q.log_softmax(dim=-1))).sum(dim=-1)
