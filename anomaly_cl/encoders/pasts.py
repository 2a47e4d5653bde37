"""A record and what its entity did before it: towers for the parts of the record, and one for the last records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import MatchedParts
from anomaly_cl.errors import UsageError

PRIOR = 3.0  # records of the average entity that every past is filled up with


@dataclass(frozen=True)
class EntityHistory:
    """Encoded records, and for each what its entity did before it.

    `columns` (N, d) are of mean about 0 and spread about 1 over normal rows. They say something about the record alone:
    what compares it with earlier ones, such as the time since the last, gives away which past is its own and teaches a
    contrast nothing else. `past` (N, K) are the positions of the last K records before each, -1 where there are none
    (see `anomaly_cl.features.last_records`). Raises UsageError for other shapes.
    """

    columns: np.ndarray
    past: np.ndarray

    def __post_init__(self) -> None:
        if self.columns.ndim != 2 or self.past.ndim != 2 or len(self.past) != len(self.columns):
            raise UsageError("columns (N, d) and past (N, K) are of the same records",
                             f"found shapes {self.columns.shape} and {self.past.shape}", "give one row a record")

    def pasts(self, past: np.ndarray) -> np.ndarray:
        """Sets of records (n, K) by position as float32 (n, K * (1 + d)): whether there is one, and its columns.

        Not how long ago it was: when the last record was tells much about when the next is, and nothing about what its
        entity usually does.
        """
        held = (past >= 0)[:, :, None]
        columns = np.where(held, self.columns[past], 0)
        places = np.concatenate([held, columns], axis=2, dtype=np.float32)
        return places.reshape(len(past), places.shape[1] * places.shape[2])

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Records (n,) and their pasts as the float32 rows (n, d + K * (1 + d)) that `RecordAndPast` reads."""
        return np.concatenate([self.columns[positions], self.pasts(self.past[positions])], axis=1, dtype=np.float32)


class PastEncoder(Encoder):
    """A set of at most `size` records, (*, size * (1 + d)) as `EntityHistory.pasts` has them -> embeddings (*, n).

    e = [mean, spread] + f: the skip is mean and root mean square deviation (2 d) of the records' columns, each past
    filled up with 3 records of the average entity (mean 0, spread 1), so that short pasts lie near that and an empty
    one is it. f sees each record by an MLP, and their mean and spread (Deep Sets, Zaheer et al. 2017), filled up in the
    same way. Its last layer starts at zero: an untrained encoder is raw geometry. Places without a record have no
    influence, whatever stands there, and the order of the others has none but for rounding. Raises UsageError for
    sizes below 1.
    """

    def __init__(self, n_columns: int, size: int, width: int = 64):
        super().__init__()
        if min(n_columns, size, width) < 1:
            raise UsageError("a set encoder has at least one column, place and unit",
                             f"found {n_columns=}, {size=}, {width=}", "correct the sizes")
        self.n_columns, self.size, self.width = n_columns, size, width
        self.n_inputs, self.n_outputs = size * (1 + n_columns), 2 * n_columns
        self.of_record = nn.Sequential(nn.Linear(n_columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.of_set = nn.Sequential(nn.Linear(2 * width + self.n_outputs + 1, width), nn.ReLU())
        self.last = nn.Linear(width, self.n_outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @property
    def settings(self) -> dict[str, Any]:
        return {"n_columns": self.n_columns, "size": self.size, "width": self.width}

    def pooled(self, pasts: Tensor) -> Tensor:
        """Raw mean and spread (*, 2 d) of the records' columns: the encoder before training."""
        held, seen = self._records(pasts)
        return _mean_and_spread(seen, held, usual_spread=1.0)

    def forward(self, pasts: Tensor) -> Tensor:
        held, seen = self._records(pasts)
        raw = _mean_and_spread(seen, held, usual_spread=1.0)
        of_records = _mean_and_spread(self.of_record(seen), held, usual_spread=0.0)
        share = held.sum(dim=-2) / self.size
        return raw + self.last(self.of_set(torch.cat([of_records, raw, share], dim=-1)))

    def _records(self, pasts: Tensor) -> tuple[Tensor, Tensor]:
        """Whether there is a record (*, size, 1), and its columns (*, size, d), 0 where there is none."""
        places = pasts.unflatten(-1, (self.size, 1 + self.n_columns))
        held = places[..., :1] > 0
        return held.to(pasts), torch.where(held, places[..., 1:], 0)


def _mean_and_spread(values: Tensor, held: Tensor, usual_spread: float) -> Tensor:
    """Mean and spread (*, 2 d) of those of the values (*, size, d) that are held (*, size, 1), filled up by the prior.
    """
    n = held.sum(dim=-2) + PRIOR
    mean = (values * held).sum(dim=-2) / n
    square = (((values - mean.unsqueeze(-2)) * held).square().sum(dim=-2) + PRIOR * usual_spread**2) / n
    return torch.cat([mean, (square + 1e-6).sqrt()], dim=-1)  # a root at 0 has no finite slope


class MatchedPast(Encoder):
    """Embeddings [parts, past] (*, n) -> projections (*, parts * 2 * n_projected), each part beside the past.

    There is a `MatchedParts` for each part, of `sizes` numbers, with the past, of `n_past` numbers.
    """

    def __init__(self, sizes: Sequence[int], n_past: int, temperature: float, n_projected: int):
        super().__init__()
        self.sizes, self.n_past, self.temperature, self.n_projected = list(sizes), n_past, temperature, n_projected
        self.matched = nn.ModuleList(MatchedParts(size, n_past, temperature, n_projected) for size in sizes)
        self.n_inputs, self.n_outputs = sum(sizes) + n_past, len(sizes) * 2 * n_projected

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("sizes", "n_past", "temperature", "n_projected")}

    def forward(self, embeddings: Tensor) -> Tensor:
        *parts, past = embeddings.split([*self.sizes, self.n_past], dim=-1)
        pairs = zip(self.matched, parts, strict=True)
        return torch.cat([matched(torch.cat([part, past], dim=-1)) for matched, part in pairs], dim=-1)


class RecordAndPast(Encoder):
    """Rows [record (d), its entity's last records] as of `EntityHistory.rows` -> embeddings [parts, past] (*, 3 d).

    Each part of the record, the columns at which `part_of` (d,) has its number 0..parts - 1, has a `ResidualMLP` of its
    own; the past has a `PastEncoder`. None of them is length-normalised, and none sees what another reads. Their
    `projections`, a `MatchedPast`, compare each part with the past. Raises UsageError unless every part has a column.
    """

    def __init__(
        self, part_of: Sequence[int], size: int, width: int = 64, depth: int = 1, temperature: float = 0.1,
        n_projected: int = 16,
    ):
        super().__init__()
        self.part_of, self.depth = [int(part) for part in part_of], depth
        if not self.part_of or sorted(set(self.part_of)) != list(range(max(self.part_of) + 1)):
            raise UsageError("each column of a record belongs to a part, numbered from 0 on", f"found {self.part_of}",
                             "number the parts without gaps")
        self.columns = [[column for column, part in enumerate(self.part_of) if part == number]
                        for number in range(max(self.part_of) + 1)]
        self.towers_a = nn.ModuleList(ResidualMLP(len(read), width=width, depth=depth) for read in self.columns)
        self.tower_b = PastEncoder(len(self.part_of), size, width)
        self.projections = MatchedPast([len(read) for read in self.columns], self.tower_b.n_outputs, temperature,
                                       n_projected)
        self.n_inputs = len(self.part_of) + self.tower_b.n_inputs
        self.n_outputs = len(self.part_of) + self.tower_b.n_outputs

    @property
    def settings(self) -> dict[str, Any]:
        return {"part_of": self.part_of, "size": self.tower_b.size, "width": self.tower_b.width, "depth": self.depth,
                "temperature": self.projections.temperature, "n_projected": self.projections.n_projected}

    def past_of(self, rows: Tensor) -> Tensor:
        """What the past's tower reads of rows (*, n_inputs)."""
        return rows[..., len(self.part_of) :]

    def forward(self, rows: Tensor) -> Tensor:
        parts = [tower(rows[..., read]) for tower, read in zip(self.towers_a, self.columns, strict=True)]
        return torch.cat([*parts, self.tower_b(self.past_of(rows))], dim=-1)
