"""The encoder of table rows: raw geometry kept by a fixed linear skip, plus what training adds to it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import UsageError


class ResidualMLP(Encoder):
    """e = P x + f(x): rows (*, n_inputs) -> embeddings (*, n_outputs), not normalised.

    P never learns: the identity where n_outputs equals n_inputs (or is not given), else an orthonormal matrix drawn
    from `projection_seed`. f is a plain MLP of `depth` residual blocks of `width` units (He et al. 2016, "Identity
    mappings in deep residual networks", without normalisation: a norm layer would delete the very length by which
    outliers differ). The last layer of f starts at zero, so an untrained encoder is raw geometry and training departs
    from there. With a `limit`, f reads limit * tanh(x / limit), so that a huge value cannot swing it. Raises UsageError
    for sizes below 1 (depth: below 0) or a limit that is not above 0.
    """

    projection: Tensor | None

    def __init__(
        self, n_inputs: int, n_outputs: int | None = None, width: int = 256, depth: int = 2, projection_seed: int = 0,
        limit: float | None = None,
    ):
        super().__init__()
        n_outputs = n_inputs if n_outputs is None else n_outputs
        if min(n_inputs, n_outputs, width) < 1 or depth < 0:
            raise UsageError("an encoder has at least one input, output and unit, and no negative depth",
                             f"found {n_inputs=}, {n_outputs=}, {width=}, {depth=}", "correct the sizes")
        if limit is not None and not limit > 0:
            raise UsageError("the limit of the inputs is above 0", f"it is {limit}", "use for example 6, or None")
        self.n_inputs, self.n_outputs, self.limit = n_inputs, n_outputs, limit
        self.width, self.depth, self.projection_seed = width, depth, projection_seed
        self.first = nn.Linear(n_inputs, width)
        self.blocks = nn.Sequential(*(_ResidualBlock(width) for _ in range(depth)))
        self.last = nn.Linear(width, n_outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        kept = None if n_outputs == n_inputs else orthonormal(n_outputs, n_inputs, projection_seed)
        self.register_buffer("projection", kept)

    @property
    def settings(self) -> dict[str, Any]:
        names = ("n_inputs", "n_outputs", "width", "depth", "projection_seed", "limit")
        return {name: getattr(self, name) for name in names}

    def forward(self, rows: Tensor) -> Tensor:
        kept = rows if self.projection is None else functional.linear(rows, self.projection)
        heard = rows if self.limit is None else self.limit * torch.tanh(rows / self.limit)
        return kept + self.last(functional.relu(self.blocks(self.first(heard))))


class _ResidualBlock(nn.Module):
    """h + W2 relu(W1 relu(h))."""

    def __init__(self, width: int):
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.outer(functional.relu(self.inner(functional.relu(hidden))))


def orthonormal(n_outputs: int, n_inputs: int, seed: int) -> Tensor:
    """A random (n_outputs, n_inputs) matrix with orthonormal rows, or columns where there are more rows than those."""
    generator = torch.Generator().manual_seed(seed)
    tall = max(n_outputs, n_inputs), min(n_outputs, n_inputs)
    basis, _ = torch.linalg.qr(torch.randn(tall, generator=generator, dtype=torch.float64))
    return (basis if n_outputs >= n_inputs else basis.T).to(torch.float32).contiguous()
