"""Stretches of windows: where a window is altered, and how its points are read at other times.

Windows are (n, channels, points), finite numbers of a floating type. Everything is drawn on the generator's device and
then moved to that of the windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError

SINGLE_CHANNEL = 0.5
"""How often a single channel is chosen where there are several."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of stretches: from `shortest` points to the share `longest` of a window, evenly on the log scale.

    Both give way to the window: a stretch has at most all its points, and `shortest` prevails over `longest`.
    """

    shortest: int = 1
    longest: float = 1.0

    def __post_init__(self) -> None:
        if self.shortest < 1 or not 0 < self.longest <= 1:
            raise UsageError("a stretch has at least one point and at most the share 1 of a window",
                             f"found shortest {self.shortest}, longest {self.longest}", "use for example 3 and 0.5")

    def draw(self, n: int, points: int, generator: torch.Generator) -> Tensor:
        """Lengths (n,), whole numbers."""
        low = min(self.shortest, points)
        high = max(low, int(self.longest * points))
        draws = torch.rand(n, generator=generator, device=generator.device)
        return (low * ((high + 1) / low) ** draws).long().clamp(low, high)


@dataclass(frozen=True, eq=False)
class Places:
    """One stretch a window, start (n,) and length (n,), in some of its channels, bool (n, channels)."""

    start: Tensor
    length: Tensor
    channels: Tensor
    points: int

    @property
    def steps(self) -> Tensor:
        """Points since the start of the stretch (n, points): 0 at its first point, below 0 before it."""
        return torch.arange(self.points, device=self.start.device) - self.start.unsqueeze(1)

    @property
    def inside(self) -> Tensor:
        """Bool (n, points): whether a point lies in its window's stretch."""
        return (self.steps >= 0) & (self.steps < self.length.unsqueeze(1))

    def replaced(self, windows: Tensor, values: Tensor) -> Tensor:
        """A copy of windows that holds values (n, channels, points) in the stretch of the chosen channels."""
        return torch.where(self.channels.unsqueeze(2) & self.inside.unsqueeze(1), values, windows)

    def first(self, windows: Tensor) -> Tensor:
        """The first value (n, channels, 1) of the stretch, of every channel."""
        return windows.gather(2, self.start.view(-1, 1, 1).expand(-1, windows.shape[1], 1))

    def mean(self, windows: Tensor) -> Tensor:
        """The mean (n, channels, 1) of the stretch, of every channel; of equal values it is exactly that value."""
        first = self.first(windows)
        total = torch.where(self.inside.unsqueeze(1), windows - first, 0).sum(dim=2, keepdim=True)
        return first + total / self.length.view(-1, 1, 1).to(windows)


def drawn_places(
    windows: Tensor, lengths: Lengths, generator: torch.Generator, channels: Tensor | None = None
) -> Places:
    """A random stretch of each window, in `channels` (n, channels), or in random ones."""
    check_windows(windows)
    n, n_channels, points = windows.shape
    length = lengths.draw(n, points, generator)
    start = below(points - length + 1, generator)
    if channels is None:
        channels = chosen_channels(n, n_channels, generator)
    device = windows.device
    return Places(start.to(device), length.to(device), channels.to(device), points)


def chosen_channels(n: int, channels: int, generator: torch.Generator) -> Tensor:
    """Bool (n, channels): a single channel half of the time, otherwise 2 to all of them, each number as often."""
    ranks = channel_ranks(n, channels, generator)
    if channels == 1:
        return ranks == 0
    single = torch.rand(n, generator=generator, device=generator.device) < SINGLE_CHANNEL
    several = torch.randint(2, channels + 1, (n,), generator=generator, device=generator.device)
    return ranks < torch.where(single, 1, several).unsqueeze(1)


def channel_ranks(n: int, channels: int, generator: torch.Generator) -> Tensor:
    """A random order of each window's channels (n, channels): each row holds 0..channels - 1."""
    return torch.rand(n, channels, generator=generator, device=generator.device).argsort(dim=1)


def below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """A whole number of 0..limit - 1 for each of limits (n,), each as often; 0 where the limit is below 1."""
    draws = torch.rand(limits.shape, generator=generator, device=generator.device)
    limits = limits.to(generator.device)
    return (draws * limits).long().minimum(limits - 1).clamp(min=0)


def read_at(windows: Tensor, at: Tensor) -> Tensor:
    """Windows read at the times `at` (n, k), in points from 0, by linear interpolation: (n, channels, k).

    Times outside the window are taken as its nearest end.
    """
    last = windows.shape[2] - 1
    at = at.clamp(0, last)
    before = at.long()
    after = (before + 1).clamp(max=last)
    left, right = (taken(windows, which) for which in (before, after))
    return torch.lerp(left, right, (at - before).unsqueeze(1).to(windows))


def taken(windows: Tensor, which: Tensor) -> Tensor:
    """The points `which` (n, k) of each window, of every channel: (n, channels, k)."""
    return windows.gather(2, which.unsqueeze(1).expand(-1, windows.shape[1], -1))


def own_mean(windows: Tensor) -> Tensor:
    """Mean (n, channels, 1) of each window's channels; of equal points it is exactly their value."""
    first = windows[:, :, :1]  # averaged as differences, so that rounding never alters a constant channel
    return first + (windows - first).mean(dim=2, keepdim=True)


def own_spread(windows: Tensor) -> Tensor:
    """Standard deviation (n, channels, 1) of each window's channels; exactly 0 where all points are equal."""
    return (windows - own_mean(windows)).square().mean(dim=2, keepdim=True).sqrt()


def check_windows(windows: Tensor) -> None:
    if windows.ndim != 3 or not windows.shape[1] or not windows.shape[2] or not windows.is_floating_point():
        raise UsageError("windows are floating numbers (n, channels, points) with at least one channel and one point",
                         f"found {windows.dtype} of shape {tuple(windows.shape)}", "reshape or convert them")
