"""Has an encoder collapsed: does it still tell rows apart, and in more than one direction?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anomaly_cl.errors import ModelError

PROBE_ROWS = 512  # enough to see a collapse; the eigenvalues of more would cost more than an epoch
LEAST_SPREAD = 0.02  # of the rows' own spread
LEAST_RANK = 0.02  # of the rows' own effective rank, both counted beyond 1 ...
RANKED = 1.5  # ... and only where the rows' own is at least this: no line collapses to a line


def spread(embeddings: Tensor) -> float:
    """Root mean square distance of embeddings (n, d) from their mean."""
    return float(_centred(embeddings).square().sum(dim=1).mean().sqrt())


def effective_rank(embeddings: Tensor) -> float:
    """exp of the entropy of the normalised singular values of the centred (n, d) (Roy & Vetterli 2007), 1..min(n, d).

    Embeddings that are all equal have rank 0; those that are not finite have none (NaN).
    """
    centred = _centred(embeddings)
    if not torch.isfinite(centred).all():
        return math.nan
    gram = centred.T @ centred if centred.shape[0] > centred.shape[1] else centred @ centred.T
    singular = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    if not singular.sum() > 0:
        return 0.0
    share = singular / singular.sum()
    return float(torch.exp(-torch.special.xlogy(share, share).sum()))


def check_not_collapsed(rows: Tensor, embeddings: Tensor) -> None:
    """Raise ModelError if embeddings of some rows are not finite, or have lost the rows' spread or their rank."""
    if not torch.isfinite(embeddings).all():
        raise ModelError("embeddings must be finite", "training ended in values that are not",
                         "lower the learning rate, or look for extreme values in the rows")
    spreads, ranks = (spread(rows), spread(embeddings)), (effective_rank(rows), effective_rank(embeddings))
    flat = ranks[0] >= RANKED and ranks[1] < 1 + LEAST_RANK * (ranks[0] - 1)
    if flat or spreads[1] <= LEAST_SPREAD * spreads[0]:
        raise ModelError(
            "a trained encoder must tell rows apart",
            f"it collapsed: the spread went from {spreads[0]:.3g} to {spreads[1]:.3g}, "
            f"the effective rank from {ranks[0]:.3g} to {ranks[1]:.3g}",
            "train for fewer steps, lower the learning rate, or choose milder views",
        )


def _centred(embeddings: Tensor) -> Tensor:
    embeddings = embeddings.detach().cpu().double()  # float64 does not exist on every device
    return embeddings - embeddings.mean(dim=0)
