"""The encoders of windows by name, and one for each half of a window."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anomaly_cl.encoders.series import DilatedTCN, KernelResidual, WindowEncoder
from anomaly_cl.encoders.towers import Towers
from anomaly_cl.errors import UsageError

KERNELS, TCN = "kernels", "tcn"
WIDTHS = {KERNELS: 128, TCN: 32}  # of the part that learns, by kind


def window_encoder(kind: str, n_inputs: int, width: int | None = None, kernel_seed: int = 0) -> WindowEncoder:
    """An untrained encoder of windows (*, n_inputs): "kernels" (`KernelResidual`) or "tcn" (`DilatedTCN`).

    width: of the part that learns, None for the usual one. Raises UsageError for another kind.
    """
    if kind not in WIDTHS:
        raise UsageError(f"the encoder of windows is among {list(WIDTHS)}", f"it is {kind!r}", "choose one")
    width = WIDTHS[kind] if width is None else width
    if kind == TCN:
        return DilatedTCN(n_inputs, width)
    return KernelResidual(n_inputs, width=width, kernel_seed=kernel_seed)


class TwoHalves(Towers):
    """Windows (*, n_inputs) -> [encoder of the first half, encoder of the second], not normalised.

    Both are a `window_encoder` of `kind`, untrained; each sees its half less its own mean. Raises UsageError for
    windows of fewer than two points.
    """

    tower_a: WindowEncoder
    tower_b: WindowEncoder

    def __init__(self, n_inputs: int, kind: str = KERNELS, width: int | None = None, kernel_seed: int = 0):
        super().__init__()
        if n_inputs < 2:
            raise UsageError("a window of two halves has two points or more", f"it has {n_inputs}",
                             "give longer windows")
        self.n_inputs, self.kind, self.width, self.kernel_seed = n_inputs, kind, width, kernel_seed
        self.tower_a = window_encoder(kind, n_inputs // 2, width, kernel_seed)
        self.tower_b = window_encoder(kind, n_inputs - n_inputs // 2, width, kernel_seed)
        self.n_outputs = self.tower_a.n_outputs + self.tower_b.n_outputs

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("n_inputs", "kind", "width", "kernel_seed")}

    def standardise(self, windows: Tensor) -> None:
        """Look at normal windows (n, n_inputs) before training, each tower at its half."""
        for tower, half in zip((self.tower_a, self.tower_b), self.parts(windows), strict=True):
            tower.standardise(half)

    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        middle = self.n_inputs // 2
        return rows[..., :middle], rows[..., middle:]
