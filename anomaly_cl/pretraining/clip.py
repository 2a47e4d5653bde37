"""CLIP: the two parts of a record find each other among the parts of other records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from anomaly_cl.encoders.towers import MatchedParts, Towers, TwoTowers
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.clip import CLIPLoss
from anomaly_cl.losses.pair_weights import duplicate_weights
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Column, Kind


@dataclass(frozen=True)
class CLIPSettings:
    """Which columns the first tower reads, by name or by position among the learned ones; the second reads the others.

    None: the text columns, if there are both such and others; else the first half of the columns. `weigh_duplicates`:
    parts that nearly equal the own partner count less as negatives (`duplicate_weights`), as of categories most do.
    """

    tower_a: tuple[str | int, ...] | None = None
    weigh_duplicates: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.tower_a, str) or not all(isinstance(column, str | int) for column in self.tower_a or ()):
            raise UsageError("tower_a is a tuple of column names or positions", f"it is {self.tower_a!r}",
                             "write for example tower_a=('memo',)")


class CLIP(ContrastiveModule):
    """Two towers over two groups of columns, each with a projection head, and their symmetric contrast.

    Radford et al. 2021, figure 3, with a fixed temperature. The embedding is that of both towers side by side, so
    distances in it see a strange part; the projections, kept as `matching`, see parts that do not belong together.
    """

    least_columns: ClassVar[int] = 2
    encoder: Towers

    def __init__(
        self,
        encoder: Towers,
        temperature: float,
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
        own: CLIPSettings | None = None,
    ):
        super().__init__(encoder, learning_rate, weight_decay, seed)
        self.projections = MatchedParts(encoder.tower_a.n_outputs, encoder.tower_b.n_outputs, temperature)
        self.loss = CLIPLoss(temperature)
        self.own = own or CLIPSettings()

    @classmethod
    def for_columns(cls, settings: TrainingSettings, columns: Sequence[Column]) -> TrainingSettings:
        own = settings.of_method(CLIPSettings)
        return replace(settings, method=replace(own, tower_a=_positions(own.tower_a, columns)))

    @classmethod
    def from_settings(cls, column_of: Tensor, settings: TrainingSettings, seed: int) -> Self:
        own = settings.of_method(CLIPSettings)
        return cls(_towers(column_of, settings, own, seed), settings.temperature or 0.2,
                   settings.learning_rate or cls.default_rate, settings.weight_decay, seed, own)

    @property
    def matching(self) -> MatchedParts:
        return self.projections

    @classmethod
    def has_views(cls, settings: TrainingSettings) -> bool:
        return False

    def contrastive_loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        a, b = self.encoder.towers(rows)
        weights = map(_negatives, self.encoder.parts(rows)) if self.own.weigh_duplicates else ()
        return self.loss(self.projections.head_a(a), self.projections.head_b(b), *weights)


def _towers(column_of: Tensor, settings: TrainingSettings, own: CLIPSettings, seed: int) -> Towers:
    """New towers of both parts, or a copy of the given ones, which have parts of their own."""
    if settings.encoder is not None:
        given = starting_encoder(len(column_of), settings, seed)
        if not isinstance(given, Towers) or own.tower_a is not None:
            raise UsageError("clip trains two towers, a given encoder with the parts that it has",
                             f"found {type(given).__name__} with tower_a={own.tower_a}",
                             "give Towers without tower_a, or no encoder")
        return given
    columns = column_of.unique()
    chosen = tuple(columns[: (len(columns) + 1) // 2].tolist()) if own.tower_a is None else own.tower_a
    if unknown := [column for column in chosen if column not in columns.tolist()]:
        raise UsageError(f"tower_a names some of the {len(columns)} input columns by position",
                         f"there is no column {unknown}", "correct the positions")
    part_a = torch.nonzero(torch.isin(column_of, torch.tensor(chosen, dtype=torch.long))).squeeze(1).tolist()
    return TwoTowers(len(column_of), part_a, settings.embedding_size, settings.encoder_width,
                     settings.encoder_depth, seed)


def _negatives(part: Tensor) -> Tensor:
    return duplicate_weights(part, part)


def _positions(tower_a: tuple[str | int, ...] | None, columns: Sequence[Column]) -> tuple[int, ...] | None:
    """Positions of the columns of the first tower; None leaves the choice to the number of columns."""
    names = [column.name for column in columns]
    if tower_a is None:
        texts = tuple(i for i, column in enumerate(columns) if column.kind is Kind.TEXT)
        return texts if 0 < len(texts) < len(columns) else None
    if unknown := [name for name in tower_a if isinstance(name, str) and name not in names]:
        raise UsageError(f"tower_a names some of the learned columns {names}", f"there is no {unknown}",
                         "correct the names, or the columns' roles in the schema")
    positions = {names.index(column) if isinstance(column, str) else int(column) for column in tower_a}
    if unknown_positions := sorted(positions - set(range(len(names)))):
        raise UsageError(f"positions in tower_a are 0 to {len(names) - 1}", f"found {unknown_positions}",
                         f"choose among the learned columns {names}")
    if not 0 < len(positions) < len(names):
        raise UsageError("each tower reads at least one column", f"tower_a has {len(positions)} of the {len(names)}",
                         f"choose some, not all, of {names}")
    return tuple(sorted(positions))
