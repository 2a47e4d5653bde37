"""Views of windows of a series: altered copies that still show the same behaviour.

A view is called with windows (n, channels, points) and a generator; it returns new windows of the same shape. What
alters time alters it for all channels of a window alike, so that their dependence stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import check_rate
from anomaly_cl.views.stretches import (
    Places,
    below,
    check_windows,
    chosen_channels,
    own_mean,
    own_spread,
    read_at,
    taken,
)

WARP_KNOTS = 5


class SeriesView(Protocol):
    """Windows (n, channels, points) -> altered copy of the same shape, reproducible from the generator's state."""

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Jitter:
    """Adds normal noise to each point; `noise` is its standard deviation, a share of that of the window's channel.

    A constant channel has no spread and stays as it is.
    """

    noise: float = 0.1

    def __post_init__(self) -> None:
        _check_strength(self.noise)

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        draws = torch.randn(windows.shape, generator=generator, device=generator.device)
        return windows + self.noise * own_spread(windows) * draws.to(windows)


@dataclass(frozen=True)
class Crop:
    """Keeps a random stretch of each window, at least the share `share` of its time, resampled to as many points."""

    share: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError("a crop keeps a share of a window, above 0", f"it is {self.share}", "use for example 0.8")

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        n, _, points = windows.shape
        kept, place = torch.rand(2, n, 1, generator=generator, device=generator.device)
        kept = self.share + (1 - self.share) * kept
        at = place * (1 - kept) * (points - 1) + kept * torch.arange(points, device=generator.device)
        return read_at(windows, at.to(windows.device))


@dataclass(frozen=True)
class MaskPoints:
    """Hides one stretch of each window, at most the share `rate` of it, in some channels, and bridges it straight.

    The bridge is the line between the points before and after; at an end of the window the one neighbour is held. At
    least one point is kept.
    """

    rate: float = 0.2

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        n, channels, points = windows.shape
        longest = min(int(self.rate * points), points - 1)
        if longest < 1:
            return windows.clone()
        device = windows.device
        length = torch.randint(1, longest + 1, (n,), generator=generator, device=generator.device)
        start = below(points - length + 1, generator)
        chosen = chosen_channels(n, channels, generator)
        places = Places(start.to(device), length.to(device), chosen.to(device), points)
        return places.replaced(windows, _bridges(windows, places))


@dataclass(frozen=True)
class Scale:
    """Stretches each channel about its mean by a factor exp(`spread` z), z standard normal."""

    spread: float = 0.1

    def __post_init__(self) -> None:
        _check_strength(self.spread)

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        draws = torch.randn(*windows.shape[:2], 1, generator=generator, device=generator.device)
        factor = (self.spread * draws).exp().to(windows)
        mean = own_mean(windows)
        return mean + factor * (windows - mean)


@dataclass(frozen=True)
class Warp:
    """Plays each window at a smoothly changing speed; its ends stay (time warping of Um et al. 2017).

    The logarithm of the speed is a line through five random knots with standard deviation `strength`; a speed is
    positive, so the order of time stays.
    """

    strength: float = 0.2

    def __post_init__(self) -> None:
        _check_strength(self.strength)

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        n, _, points = windows.shape
        if points < 2:
            return windows.clone()
        device = generator.device
        knots = torch.randn(n, 1, WARP_KNOTS, generator=generator, device=device)
        when = torch.linspace(0, WARP_KNOTS - 1, points - 1, device=device).expand(n, -1)
        elapsed = (self.strength * read_at(knots, when).squeeze(1)).exp().double().cumsum(dim=1)
        at = torch.nn.functional.pad(elapsed / elapsed[:, -1:] * (points - 1), (1, 0))
        return read_at(windows, at.to(windows.device))


@dataclass(frozen=True)
class Compose:
    """Applies views one after the other; none of them leaves the windows as they are."""

    views: tuple[SeriesView, ...] = ()

    def __call__(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        check_windows(windows)
        altered = windows.clone()
        for view in self.views:
            altered = view(altered, generator)
        return altered


def _bridges(windows: Tensor, places: Places) -> Tensor:
    """The line (n, channels, points) through the points just before and just after each stretch."""
    before, after = places.start - 1, places.start + places.length
    left = torch.where(before >= 0, before, after)
    right = torch.where(after < places.points, after, before)
    low, high = (taken(windows, which.unsqueeze(1)) for which in (left, right))
    share = (places.steps + 1) / (places.length + 1).unsqueeze(1)
    return torch.lerp(low, high, share.unsqueeze(1).to(windows))


def _check_strength(strength: float) -> None:
    if not 0 <= strength < float("inf"):
        raise UsageError("the strength of a view is finite and not negative", f"it is {strength}",
                         "use for example 0.1")
