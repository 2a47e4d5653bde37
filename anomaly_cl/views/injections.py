"""Strange copies of windows: a normal window with an anomaly injected, each kind in its own way.

An injection is called with windows (n, channels, points), a bank of normal windows (m, channels, points) that gives
donors and says what spread is usual (the windows may be among them), and a generator; it returns new windows of the
same shape. Each alters one random stretch of each window in a random choice of channels, a single one half of the time.

Sizes are drawn evenly on the log scale, so small ones are as frequent as large ones, and count in units of the spread
of the window's channel (`sizes.usual_spread`). Now and then a copy equals its window: a constant stretch has nothing to
flip. `inject` tells what was altered.

Kinds as in COUTA (Xu et al. 2024) and CARLA (Darban et al. 2025), and those of several channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.sizes import (
    check_bank,
    check_factors,
    check_sizes,
    factors_between,
    for_half,
    signed_sizes,
    sizes_between,
    usual_spread,
)
from anomaly_cl.views.stretches import (
    Lengths,
    below,
    channel_ranks,
    check_windows,
    drawn_places,
    read_at,
    taken,
)

BANK_SAMPLE = 1024

FEW_POINTS = Lengths(shortest=1, longest=0.05)
ANY = Lengths(shortest=4)
LONG = Lengths(shortest=6)
MOVABLE = Lengths(shortest=4, longest=0.9)


class Injection(Protocol):
    """Windows (n, channels, points) -> strange copies of the same shape, reproducible from the generator's state."""

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor: ...


class Injected(NamedTuple):
    """Strange copies (n, channels, points), and which of their values differ from the windows', bool of that shape."""

    copies: Tensor
    altered: Tensor


@dataclass(frozen=True)
class Spike:
    """Lifts or lowers one or few points by `least` to `most` spreads."""

    least: float = 1.0
    most: float = 10.0
    lengths: Lengths = FEW_POINTS

    def __post_init__(self) -> None:
        check_sizes(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        return _lifted(self, windows, bank, generator)


@dataclass(frozen=True)
class Shift:
    """Lifts or lowers the level of a stretch by `least` to `most` spreads."""

    least: float = 0.3
    most: float = 5.0
    lengths: Lengths = ANY

    def __post_init__(self) -> None:
        check_sizes(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        return _lifted(self, windows, bank, generator)


@dataclass(frozen=True)
class Trend:
    """Adds a slope over a stretch that reaches, at its last point, `least` to `most` spreads up or down."""

    least: float = 0.5
    most: float = 6.0
    lengths: Lengths = ANY

    def __post_init__(self) -> None:
        check_sizes(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        rise = signed_sizes(self.least, self.most, windows, generator) * usual_spread(windows, bank)
        share = (places.steps + 1) / places.length.unsqueeze(1)
        return places.replaced(windows, windows + rise * share.unsqueeze(1).to(windows))


@dataclass(frozen=True)
class NoiseBurst:
    """Adds normal noise over a stretch, its standard deviation `least` to `most` spreads."""

    least: float = 0.2
    most: float = 3.0
    lengths: Lengths = ANY

    def __post_init__(self) -> None:
        check_sizes(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        scale = sizes_between(self.least, self.most, windows, generator) * usual_spread(windows, bank)
        noise = torch.randn(windows.shape, generator=generator, device=generator.device)
        return places.replaced(windows, windows + scale * noise.to(windows))


@dataclass(frozen=True)
class Flip:
    """Plays a stretch backwards, or mirrors its values about their mean; each for half of the windows."""

    lengths: Lengths = ANY

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        end = (2 * places.start + places.length - 1).unsqueeze(1)
        points = torch.arange(places.points, device=windows.device)
        backwards = taken(windows, (end - points).clamp(0, places.points - 1))
        mean = places.mean(windows)
        values = torch.where(for_half(windows, generator), backwards, mean - (windows - mean))
        return places.replaced(windows, values)


@dataclass(frozen=True)
class CutPaste:
    """Pastes over a stretch that of a random window of the bank from another place (CutPaste, Li et al. 2021)."""

    lengths: Lengths = MOVABLE

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        donors = _donors(windows, bank, generator)
        possible = places.points - places.length + 1
        moved = 1 + below(possible - 1, generator).to(windows.device)
        source = (places.start + moved) % possible
        which = (places.steps + source.unsqueeze(1)).clamp(0, places.points - 1)
        return places.replaced(windows, taken(donors, which))


@dataclass(frozen=True)
class SpeedWarp:
    """Plays a stretch `least` to `most` times as fast, or as slowly; each for half of the windows.

    It is read from its first point on; a fast one reads beyond its end, and turns back at the ends of the window.
    """

    least: float = 1.2
    most: float = 4.0
    lengths: Lengths = LONG

    def __post_init__(self) -> None:
        check_factors(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        speed = factors_between(self.least, self.most, windows[:, :1], generator).squeeze(2)
        last = places.points - 1
        at = places.start.unsqueeze(1) + places.steps * speed
        at = last - (last - at.remainder(max(2 * last, 1))).abs()
        return places.replaced(windows, read_at(windows, at))


@dataclass(frozen=True)
class ScaleStretch:
    """Widens the swing of a stretch about its mean `least` to `most` times, or narrows it as much."""

    least: float = 1.3
    most: float = 5.0
    lengths: Lengths = ANY

    def __post_init__(self) -> None:
        check_factors(self.least, self.most)

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        mean = places.mean(windows)
        factor = factors_between(self.least, self.most, windows, generator)
        return places.replaced(windows, mean + factor * (windows - mean))


@dataclass(frozen=True)
class Flatten:
    """Holds a stretch at its first value (a frozen sensor) or at its mean; each for half of the windows."""

    lengths: Lengths = ANY

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        places = drawn_places(windows, self.lengths, generator)
        level = torch.where(for_half(windows, generator), places.first(windows), places.mean(windows))
        return places.replaced(windows, level.expand_as(windows))


@dataclass(frozen=True)
class Decorrelate:
    """Replaces a stretch of one channel by the same stretch of a random window of the bank; the others stay.

    Needs several channels; `CutPaste` is its like for a single one.
    """

    lengths: Lengths = LONG

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        ranks = _ranks_of_several(windows, generator)
        places = drawn_places(windows, self.lengths, generator, channels=ranks == 0)
        return places.replaced(windows, _donors(windows, bank, generator))


@dataclass(frozen=True)
class SwapChannels:
    """Exchanges two channels over a stretch. Needs several channels."""

    lengths: Lengths = ANY

    def __call__(self, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
        ranks = _ranks_of_several(windows, generator)
        places = drawn_places(windows, self.lengths, generator, channels=ranks < 2)
        first, second = (ranks == 0).int().argmax(dim=1), (ranks == 1).int().argmax(dim=1)
        partner = torch.where(ranks == 0, second.unsqueeze(1), first.unsqueeze(1)).to(windows.device)
        return places.replaced(windows, windows.gather(1, partner.unsqueeze(2).expand_as(windows)))


SINGLE_CHANNEL_KINDS: tuple[Injection, ...] = (
    Spike(), Shift(), Trend(), NoiseBurst(), Flip(), CutPaste(), SpeedWarp(), ScaleStretch(), Flatten(),
)
SEVERAL_CHANNELS_KINDS: tuple[Injection, ...] = (Decorrelate(), SwapChannels())


def injections_for(channels: int) -> tuple[Injection, ...]:
    """All kinds that windows of so many channels can have, with their usual settings."""
    if channels < 1:
        raise UsageError("windows have at least one channel", f"found {channels}", "give the number of channels")
    return SINGLE_CHANNEL_KINDS + (SEVERAL_CHANNELS_KINDS if channels > 1 else ())


def inject(
    kinds: tuple[Injection, ...], windows: Tensor, bank: Tensor, generator: torch.Generator
) -> Injected:
    """Strange copies of windows, in their order, a nearly equal share of them by each kind.

    The kinds take turns along the windows, from a random one on, so that each meets all parts of an ordered series. Of
    a large bank a random sample of `BANK_SAMPLE` windows is used, so that a call's cost does not grow with the bank.
    """
    if not kinds:
        raise UsageError("at least one kind of injection is needed", "found none", "use injections_for(channels)")
    check_bank(windows, bank)
    if len(bank) > BANK_SAMPLE:
        sample = torch.randperm(len(bank), generator=generator, device=generator.device)[:BANK_SAMPLE]
        bank = bank[sample.to(bank.device)]
    turn = int(torch.randint(len(kinds), (), generator=generator, device=generator.device))
    copies = windows.clone()
    for position, kind in enumerate(kinds[turn:] + kinds[:turn]):
        copies[position :: len(kinds)] = kind(windows[position :: len(kinds)], bank, generator)
    return Injected(copies, copies != windows)


def _lifted(kind: Spike | Shift, windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
    places = drawn_places(windows, kind.lengths, generator)
    height = signed_sizes(kind.least, kind.most, windows, generator) * usual_spread(windows, bank)
    return places.replaced(windows, windows + height)


def _donors(windows: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
    """A random window of the bank for each window (n, channels, points)."""
    check_bank(windows, bank)
    which = torch.randint(len(bank), (len(windows),), generator=generator, device=generator.device)
    return bank[which.to(bank.device)].to(windows)


def _ranks_of_several(windows: Tensor, generator: torch.Generator) -> Tensor:
    check_windows(windows)
    if windows.shape[1] < 2:
        raise UsageError("this kind of injection needs several channels", "the windows have one",
                         "use injections_for(channels)")
    return channel_ranks(len(windows), windows.shape[1], generator)
