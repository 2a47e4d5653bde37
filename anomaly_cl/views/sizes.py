"""Sizes of injected anomalies: in units of what is usual, small ones as frequent as large ones."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_cl.errors import UsageError
from anomaly_cl.views.stretches import check_windows, own_spread

LEAST_SPREAD = 0.1
"""The share of the bank's usual spread that a quiet window's spread is raised to."""


def usual_spread(windows: Tensor, bank: Tensor) -> Tensor:
    """The unit (n, channels, 1) of sizes: the standard deviation of each window's channel.

    It is at least a tenth of the usual spread within the bank's windows (the root mean square, so that levels which
    drift from window to window don't count): a quiet window gets an anomaly too. Where both are 0, it is 1.
    """
    check_bank(windows, bank)
    usual = own_spread(bank).square().mean(dim=0).sqrt()
    spread = own_spread(windows).maximum(LEAST_SPREAD * usual.to(windows))
    return torch.where(spread > 0, spread, 1)


def sizes_between(least: float, most: float, windows: Tensor, generator: torch.Generator) -> Tensor:
    """Sizes (n, channels, 1) of least..most, evenly on the log scale."""
    draws = torch.rand(*windows.shape[:2], 1, generator=generator, device=generator.device)
    return (least * (most / least) ** draws).to(windows)


def signed_sizes(least: float, most: float, windows: Tensor, generator: torch.Generator) -> Tensor:
    sizes = sizes_between(least, most, windows, generator)
    up = torch.rand(sizes.shape, generator=generator, device=generator.device) < 0.5
    return torch.where(up.to(windows.device), sizes, -sizes)


def factors_between(least: float, most: float, windows: Tensor, generator: torch.Generator) -> Tensor:
    """Factors (n, channels, 1) of least..most, or one over it as often."""
    sizes = sizes_between(least, most, windows, generator)
    return torch.where(for_half(windows, generator), sizes, 1 / sizes)


def for_half(windows: Tensor, generator: torch.Generator) -> Tensor:
    """Bool (n, 1, 1): true for half of the windows."""
    return (torch.rand(len(windows), 1, 1, generator=generator, device=generator.device) < 0.5).to(windows.device)


def check_bank(windows: Tensor, bank: Tensor) -> None:
    check_windows(windows)
    if not len(bank) or bank.shape[1:] != windows.shape[1:]:
        raise UsageError("the bank holds at least one window of the same channels and points",
                         f"found {tuple(bank.shape)} for windows {tuple(windows.shape)}", "give normal windows")


def check_sizes(least: float, most: float) -> None:
    if not 0 < least <= most < float("inf"):
        raise UsageError("sizes are finite multiples of the spread, above 0", f"found {least=}, {most=}",
                         "use for example 0.5 and 5")


def check_factors(least: float, most: float) -> None:
    if not 1 < least <= most < float("inf"):
        raise UsageError("factors are finite and above 1; their inverses are drawn as often",
                         f"found {least=}, {most=}", "use for example 1.2 and 4")
