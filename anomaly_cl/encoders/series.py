"""Encoders of windows: random convolution kernels with a residual, and a dilated temporal convolution network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import UsageError

TAPS = 9  # of a kernel
DILATIONS = (1, 2, 4, 8)
LEAST_SPREAD = 1e-3
POOLINGS = 4


class WindowEncoder(Encoder):
    """e = moved(features(x)): windows (*, n_inputs) of one channel -> embeddings (*, n_outputs), not normalised.

    Features never learn. They read a window less its mean, so that no encoder sees a level.
    """

    @abstractmethod
    def features(self, windows: Tensor) -> Tensor:
        """Features z (*, d) of windows (*, n_inputs), in units in which their distances mean something."""

    @abstractmethod
    def moved(self, features: Tensor) -> Tensor:
        """Embeddings (*, n_outputs) of features z (*, d)."""

    def standardise(self, windows: Tensor) -> None:
        """Look at normal windows (n, n_inputs) before training: features that need a unit take it from them."""

    def forward(self, windows: Tensor) -> Tensor:
        return self.moved(self.features(windows))


class KernelResidual(WindowEncoder):
    """e = z + f(z): windows (*, n_inputs) of one channel -> embeddings (*, n_outputs), not normalised.

    z are features of fixed random kernels of 9 taps that sum to 0, at dilations that fit the window: the maximum, mean,
    share above 0 and standard deviation of each convolution (as in ROCKET, Dempster et al. 2020, without its random
    biases), standardised by `standardise`. They read a window less its mean: a level is seen by no kernel but at the
    ends. f is an MLP of `width` hidden units whose last layer starts at zero, so an untrained encoder is the geometry
    of random kernels. About `kernels` are drawn from `kernel_seed`. Raises UsageError for sizes below 1.
    """

    feature_means: Tensor
    feature_spreads: Tensor

    def __init__(self, n_inputs: int, kernels: int = 200, width: int = 128, kernel_seed: int = 0):
        super().__init__()
        if min(n_inputs, width) < 1 or kernels < len(DILATIONS):
            raise UsageError("kernels read one point at least, and there are four kernels and one unit at least",
                             f"found {n_inputs=}, {kernels=}, {width=}", "correct the sizes")
        self.n_inputs, self.kernels, self.width, self.kernel_seed = n_inputs, kernels, width, kernel_seed
        self.dilations = [dilation for dilation in DILATIONS if dilation * (TAPS - 1) < n_inputs] or [1]
        generator = torch.Generator().manual_seed(kernel_seed)
        each = kernels // len(self.dilations)
        for dilation in self.dilations:
            drawn = torch.randn(each, 1, TAPS, generator=generator)
            self.register_buffer(f"kernels_{dilation}", drawn - drawn.mean(dim=2, keepdim=True))
        self.n_outputs = POOLINGS * each * len(self.dilations)
        self.register_buffer("feature_means", torch.zeros(self.n_outputs))
        self.register_buffer("feature_spreads", torch.ones(self.n_outputs))
        self.first, self.last = nn.Linear(self.n_outputs, width), nn.Linear(width, self.n_outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("n_inputs", "kernels", "width", "kernel_seed")}

    def standardise(self, windows: Tensor) -> None:
        """Take mean and spread of the features of normal windows (n, n_inputs) as those of all windows."""
        with torch.no_grad():
            pooled = torch.cat([self._pooled(part) for part in windows.split(512)])
            self.feature_means.copy_(pooled.mean(dim=0))
            self.feature_spreads.copy_(pooled.std(dim=0, correction=0) + LEAST_SPREAD)

    def features(self, windows: Tensor) -> Tensor:
        """Standardised features z (*, n_outputs) of windows (*, n_inputs)."""
        return (self._pooled(windows) - self.feature_means) / self.feature_spreads

    def moved(self, features: Tensor) -> Tensor:
        """Embeddings z + f(z) (*, n_outputs) of features z."""
        return features + self.last(functional.relu(self.first(features)))

    def _pooled(self, windows: Tensor) -> Tensor:
        flat = windows.reshape(-1, 1, self.n_inputs)
        flat = flat - flat.mean(dim=2, keepdim=True)
        pooled = []
        for dilation in self.dilations:
            kernels = self.get_buffer(f"kernels_{dilation}")
            found = functional.conv1d(flat, kernels, padding=dilation * (TAPS // 2), dilation=dilation)
            means = found.mean(dim=2)
            variances = found.square().mean(dim=2) - means.square()  # several times quicker than torch's std
            above = found.sign().relu().mean(dim=2)  # several times quicker than a comparison that is cast
            pooled += [found.amax(dim=2), means, above, variances.clamp(min=0).sqrt()]
        return torch.cat(pooled, dim=1).reshape(*windows.shape[:-1], self.n_outputs)


class DilatedTCN(WindowEncoder):
    """e = z + g(z): windows (*, n_inputs) of one channel -> embeddings of the same width, not normalised.

    z is a window less its mean. g is a temporal convolution network (Bai, Kolter and Koltun 2018, without causality: a
    window is seen whole) of residual blocks with kernels of 3 and dilations 1, 2, 4, .., up to the window, then mean
    and maximum over time. Its last layer starts at zero, so an untrained encoder is raw geometry. (g is added, not put
    beside z: a part beside it that starts at zero has no gradient in a distance, and stays there.) Raises UsageError
    for sizes below 1.
    """

    def __init__(self, n_inputs: int, width: int = 32):
        super().__init__()
        if min(n_inputs, width) < 1:
            raise UsageError("a window has at least one point, and a network one unit", f"found {n_inputs=}, {width=}",
                             "correct the sizes")
        self.n_inputs, self.width, self.n_outputs = n_inputs, width, n_inputs
        self.lift = nn.Conv1d(1, width, 1)
        dilations = [2**power for power in range(8) if 2**power * 4 <= max(n_inputs, 4)]
        self.blocks = nn.Sequential(*(_TemporalBlock(width, dilation) for dilation in dilations))
        self.last = nn.Linear(2 * width, n_inputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @property
    def settings(self) -> dict[str, Any]:
        return {"n_inputs": self.n_inputs, "width": self.width}

    def features(self, windows: Tensor) -> Tensor:
        """Windows (*, n_inputs) less their means."""
        return windows - windows.mean(dim=-1, keepdim=True)

    def moved(self, features: Tensor) -> Tensor:
        """Embeddings z + g(z) (*, n_inputs) of windows less their means z (*, n_inputs)."""
        found = self.blocks(self.lift(features.reshape(-1, 1, self.n_inputs)))
        pooled = torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1)
        return features + self.last(pooled).reshape(features.shape)


class _TemporalBlock(nn.Module):
    """h + conv(relu(conv(relu(h)))), (n, width, time) -> the same."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.inner = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.outer = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.outer(functional.relu(self.inner(functional.relu(hidden))))
