"""Contrast against injections: normal windows lie near other normal windows, those with an injected anomaly do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor

from anomaly_cl.encoders.series import KernelResidual, WindowEncoder
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import soft_triplet
from anomaly_cl.pretraining.averaged import AveragedModule
from anomaly_cl.pretraining.batches import Batch
from anomaly_cl.pretraining.module import starting_encoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.views.injections import Injection, inject, injections_for

BANK_ROWS = 2_000
MADE_AT_ONCE = 512


@dataclass(frozen=True)
class InjectionsSettings:
    """The training windows' `places` (n,) in time, windows nearer than `apart` to each other counting as one.

    Windows of different series have places far apart. kinds: what is injected. neighbours: a positive is one of so many
    windows nearest to the anchor. kernels: random kernels of the encoder, drawn from `kernel_seed`. At most `bank_rows`
    evenly spaced windows are anchors and positives.
    """

    places: np.ndarray = field(repr=False)
    apart: int
    kinds: tuple[Injection, ...] = injections_for(1)
    neighbours: int = 8
    kernels: int = 200
    kernel_seed: int = 0
    copies: int = 6_000
    bank_rows: int = BANK_ROWS

    def __post_init__(self) -> None:
        least = min(self.apart, self.neighbours, self.copies, self.bank_rows)
        if least < 1 or not self.kinds or np.ndim(self.places) != 1:
            raise UsageError("contrast against injections needs one place a window, kinds, neighbours and a bank",
                             f"found {self}", "correct the settings")


class _Strange(NamedTuple):
    """Copies with an injected anomaly: features (n, d), the window of the bank nearest to each, and whether it differs
    from its original at all, both (n,).
    """

    features: Tensor
    anchor: Tensor
    altered: Tensor


class AgainstInjections(AveragedModule):
    """Triplets of a `WindowEncoder`: anchor and positive are normal windows, the negative has an injected anomaly.

    The anchor is the normal window nearest to the negative, as it will be when a score is asked for, and the positive
    another window near the anchor that does not overlap it; both nearest in the untrained features. The loss is the
    soft ranking of log distances (`soft_triplet`), which knows no unit. There is no projection head: those
    distances are what is used later. Windows are of one channel; so is one encoder for the windows of all channels.
    """

    default_steps: ClassVar[int] = 300
    default_rate: ClassVar[float] = 2e-3
    default_batch: ClassVar[int] = 64
    encoder: WindowEncoder
    bank: Tensor
    bank_features: Tensor
    bank_squares: Tensor
    places: Tensor
    near: Tensor
    near_apart: Tensor

    def __init__(self, encoder: WindowEncoder, own: InjectionsSettings, learning_rate: float, seed: int = 0):
        super().__init__(encoder, learning_rate, seed)
        self.own = own

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        own = cast(InjectionsSettings, settings.method)
        encoder = (KernelResidual(len(column_of), own.kernels, settings.encoder_width, own.kernel_seed)
                   if settings.encoder is None else starting_encoder(len(column_of), settings, seed))
        if not isinstance(encoder, WindowEncoder):
            raise UsageError("contrast against injections trains an encoder of windows",
                             f"found {type(encoder).__name__}", "give a WindowEncoder, or none")
        return cls(encoder, own, settings.learning_rate or cls.default_rate, seed)

    def prepare(self, rows: Tensor, generator: torch.Generator) -> None:
        """Keep windows as bank, and standardise the features by them."""
        if len(rows) != len(self.own.places):
            raise UsageError("each training window has a place", f"{len(rows)} have {len(self.own.places)}",
                             "give one place a window")
        kept = torch.linspace(0, len(rows) - 1, min(len(rows), self.own.bank_rows)).long()
        self.register_buffer("bank", rows[kept], persistent=False)
        self.register_buffer("places", torch.from_numpy(np.asarray(self.own.places))[kept], persistent=False)
        self.encoder.standardise(self.bank)
        with torch.no_grad():
            features = torch.cat([self.encoder.features(part) for part in self.bank.split(512)])
        self.register_buffer("bank_features", features, persistent=False)
        self.register_buffer("bank_squares", features.square().sum(dim=1), persistent=False)
        near, apart = self._near()
        self.register_buffer("near", near, persistent=False)
        self.register_buffer("near_apart", apart, persistent=False)
        kept = torch.randint(len(rows), (self.own.copies,), generator=generator)
        made = [self._strange(part, generator) for part in rows[kept].split(MADE_AT_ONCE)]
        self.copies = _Strange(*(torch.cat(parts) for parts in zip(*made, strict=True)))
        self.average.module.load_state_dict(self.encoder.state_dict())

    def batch_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The loss of as many of the strange copies as there are rows."""
        drawn = torch.randint(len(self.copies.anchor), (len(batch.rows),), generator=generator).to(batch.rows.device)
        return self._loss(_Strange(*(part[drawn] for part in self.copies)), generator)

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        return self._loss(self._strange(rows, generator), generator)

    @torch.no_grad()
    def _strange(self, rows: Tensor, generator: torch.Generator) -> _Strange:
        copies, altered = inject(self.own.kinds, rows.unsqueeze(1), self.bank.unsqueeze(1), generator)
        features = self.encoder.features(copies.squeeze(1))
        return _Strange(features, self._to_bank(features).argmin(dim=1), altered.flatten(1).any(dim=1))

    def _loss(self, strange: _Strange, generator: torch.Generator) -> Tensor:
        positive, found = self._positives(strange.anchor, generator)
        sides = torch.cat([self.bank_features[strange.anchor], self.bank_features[positive], strange.features])
        anchor, positive, negative = self.encoder.moved(sides).chunk(3)
        return soft_triplet(anchor, positive, negative, (found & strange.altered).to(sides))

    def _near(self) -> tuple[Tensor, Tensor]:
        """For each window of the bank those near it that do not overlap it, and whether they do not, (bank, k)."""
        found = []
        for part, at in zip(self.bank_features.split(512), self.places.split(512), strict=True):
            squared = self._to_bank(part)
            overlap = (at[:, None] - self.places[None]).abs() < self.own.apart
            nearest = squared.masked_fill(overlap, torch.inf).topk(min(self.own.neighbours, len(self.bank)), dim=1,
                                                                   largest=False)
            found.append((nearest.indices, torch.isfinite(nearest.values)))
        return torch.cat([near for near, _ in found]), torch.cat([free for _, free in found])

    def _positives(self, anchor: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """For each anchor (n,) a window near it that does not overlap it, and whether there is one, both (n,)."""
        pick = torch.randint(self.near.shape[1], (len(anchor), 1), generator=generator, device=generator.device)
        pick = pick.to(anchor.device)
        return self.near[anchor].gather(1, pick).squeeze(1), self.near_apart[anchor].gather(1, pick).squeeze(1)

    def _to_bank(self, features: Tensor) -> Tensor:
        """Squared distances (n, bank) to the bank, but for a constant of each row: enough to rank."""
        return self.bank_squares - 2 * features @ self.bank_features.T
