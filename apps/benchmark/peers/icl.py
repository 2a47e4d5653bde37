"""ICL: which part of a row belongs to the rest of it (Shenkar & Wolf, ICLR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_cl.errors import InputError
from apps.benchmark.peers.training import LossDetector

EMBEDDING, HIDDEN = 128, (100, 50)


class ICL(LossDetector):
    """Anomaly Detection for Tabular Data with Internal Contrastive Learning (Shenkar & Wolf, ICLR 2022).

    Every window of k neighbouring columns is matched with the row's other columns against all windows of the same row
    (section 3, k and temperature by the paper's rule). One network, where the paper averages a few over shuffled
    columns, and a fixed number of epochs, where it stops at a loss.
    """

    def network(self, rows: Tensor, generator: torch.Generator) -> nn.Module:
        if rows.shape[1] < 3:
            raise InputError("ICL needs three columns", f"there are {rows.shape[1]}", "choose another model")
        return WindowMatch(rows.shape[1], window_width(rows.shape[1]))


def window_width(n_columns: int) -> int:
    """Columns of a window: 2 up to 40 columns, 10 up to 160, else all but 150."""
    if n_columns <= 160:
        return 2 if n_columns <= 40 else 10
    return n_columns - 150


class WindowMatch(nn.Module):
    """Rows (n, columns) -> mean cross-entropy (n,) of finding each window by its complement."""

    window: Tensor
    complement: Tensor

    def __init__(self, n_columns: int, width: int, temperature: float = 0.01):
        super().__init__()
        n_windows = n_columns - width + 1
        columns = torch.arange(n_columns).expand(n_windows, -1)
        start = torch.arange(n_windows)[:, None]
        inside = (columns >= start) & (columns < start + width)
        self.register_buffer("window", columns[inside].view(n_windows, width))
        self.register_buffer("complement", columns[~inside].view(n_windows, n_columns - width))
        self.of_window = _encoder(width, n_windows, [size // 2 for size in HIDDEN])
        self.of_complement = _encoder(n_columns - width, n_windows, HIDDEN)
        self.temperature = temperature

    def forward(self, rows: Tensor) -> Tensor:
        keys = functional.normalize(self.of_window(rows[:, self.window]), dim=-1)
        queries = functional.normalize(self.of_complement(rows[:, self.complement]), dim=-1)
        logits = queries @ keys.transpose(1, 2) / self.temperature
        return -logits.log_softmax(dim=-1).diagonal(dim1=1, dim2=2).mean(dim=1)


def _encoder(n_inputs: int, n_windows: int, hidden: list[int] | tuple[int, ...]) -> nn.Sequential:
    """(n, windows, inputs) -> (n, windows, embedding), normalised over the batch for each window apart."""
    layers: list[nn.Module] = []
    for n_outputs in hidden:
        layers += [nn.Linear(n_inputs, n_outputs, bias=False), nn.LeakyReLU(), nn.BatchNorm1d(n_windows)]
        n_inputs = n_outputs
    return nn.Sequential(*layers, nn.Linear(n_inputs, EMBEDDING, bias=False))
