"""Windows of one channel as rows of a table: what alters windows, where methods of pretraining ask for rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from anomaly_cl.views.injections import SINGLE_CHANNEL_KINDS, Injection, inject
from anomaly_cl.views.series import Compose, Crop, Jitter, MaskPoints, Scale, SeriesView, Warp
from anomaly_cl.views.tabular import View


@dataclass(frozen=True)
class WindowView:
    """A view of windows (n, channels, points) as a view of rows (n, points), each a window of one channel."""

    view: SeriesView

    def __call__(self, rows: Tensor, column_of: Tensor, generator: Generator) -> Tensor:
        return self.view(rows.unsqueeze(1), generator).squeeze(1)


@dataclass(frozen=True)
class InjectedWindow:
    """Injections into windows as a negative of rows (n, points), each a window of one channel."""

    kinds: tuple[Injection, ...] = SINGLE_CHANNEL_KINDS

    def __call__(self, rows: Tensor, bank: Tensor, column_of: Tensor, generator: Generator) -> Tensor:
        if not len(rows):
            return rows.clone()
        return inject(self.kinds, rows.unsqueeze(1), bank.unsqueeze(1), generator).copies.squeeze(1)


WINDOW_VIEWS: tuple[View, View] = (  # mild: a copy lies nearer than most windows with an injected anomaly
    WindowView(Compose((Jitter(0.05), Scale(0.05)))),
    WindowView(Compose((Crop(0.98), Warp(0.03), MaskPoints(0.1), Jitter(0.02), Scale(0.05)))),
)
