"""A record and what its entity did before it: one tower reads the record, the other the set of its last records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError

PRIOR = 3.0  # records of the average entity that every past is filled up with
ABOUT = 2  # numbers about a past record beside its columns: whether there is one, and how long before the last it was
MICROSECONDS_A_DAY = 86_400_000_000.0


@dataclass(frozen=True)
class EntityHistory:
    """Encoded records of entities, and who did what when: `columns` (N, d) of mean 0 and spread 1 over normal rows,
    `instants` (N,) int64 microseconds, and `past` (N, K) positions of the last K records before each, latest first, -1
    where there are none (see `anomaly_cl.features.last_records`).
    """

    columns: np.ndarray
    instants: np.ndarray
    past: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.columns)
        if self.columns.ndim != 2 or self.past.ndim != 2 or self.instants.shape != (n,) or len(self.past) != n:
            raise UsageError("columns (N, d), instants (N,) and past (N, K) are of the same records",
                             f"found shapes {self.columns.shape}, {self.instants.shape}, {self.past.shape}",
                             "give one row a record")

    def pasts(self, past: np.ndarray) -> np.ndarray:
        """Sets of records (n, K) by position as float32 (n, K * (2 + d)): whether there is one, its recency, columns.

        Recency is log(1 + days) by which a record is older than the first of its set. It does not tell how long ago
        that one was: the record to be compared may say so itself, and could be found by it without any other trait.
        """
        held = past >= 0
        ages = (self.instants[past[:, :1]] - self.instants[past]) / MICROSECONDS_A_DAY
        about = np.stack([held, np.where(held, np.log1p(np.maximum(ages, 0)), 0)], axis=2).astype(np.float32)
        columns = np.where(held[:, :, None], self.columns[past], 0).astype(np.float32)
        return np.concatenate([about, columns], axis=2).reshape(len(past), -1)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Records (n,) and their pasts as the float32 rows (n, d + K * (2 + d)) that `RecordAndPast` reads."""
        own = self.columns[positions].astype(np.float32)
        return np.concatenate([own, self.pasts(self.past[positions])], axis=1)


class PastEncoder(Encoder):
    """A set of at most `size` records, (*, size * (2 + d)) as `EntityHistory.pasts` has them -> embeddings (*, n).

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
        self.n_inputs, self.n_outputs = size * (ABOUT + n_columns), 2 * n_columns
        self.of_record = nn.Sequential(nn.Linear(1 + n_columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
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
        return _mean_and_spread(seen[..., 1:], held, usual_spread=1.0)

    def forward(self, pasts: Tensor) -> Tensor:
        held, seen = self._records(pasts)
        raw = _mean_and_spread(seen[..., 1:], held, usual_spread=1.0)
        of_records = _mean_and_spread(self.of_record(seen), held, usual_spread=0.0)
        share = held.sum(dim=-2) / self.size
        return raw + self.last(self.of_set(torch.cat([of_records, raw, share], dim=-1)))

    def _records(self, pasts: Tensor) -> tuple[Tensor, Tensor]:
        """Whether there is a record (*, size, 1), and its recency and columns (*, size, 1 + d), 0 where there is none.
        """
        places = pasts.unflatten(-1, (self.size, ABOUT + self.n_columns))
        held = places[..., :1] > 0
        return held.to(pasts), torch.where(held, places[..., 1:], 0)


def _mean_and_spread(values: Tensor, held: Tensor, usual_spread: float) -> Tensor:
    """Mean and spread (*, 2 d) of those of the values (*, size, d) that are held (*, size, 1), filled up by the prior.
    """
    n = held.sum(dim=-2) + PRIOR
    mean = (values * held).sum(dim=-2) / n
    square = (((values - mean.unsqueeze(-2)) * held).square().sum(dim=-2) + PRIOR * usual_spread**2) / n
    return torch.cat([mean, (square + 1e-6).sqrt()], dim=-1)  # a root at 0 has no finite slope


class RecordAndPast(Encoder):
    """Rows [record (d), its entity's last records] as of `EntityHistory.rows` -> [tower a, tower b] (*, d + 2 d).

    Tower a is a `ResidualMLP` of the record, tower b the `PastEncoder`. Neither is length-normalised, and neither sees
    what the other reads.
    """

    def __init__(self, n_columns: int, size: int, width: int = 64, depth: int = 1):
        super().__init__()
        self.tower_a = ResidualMLP(n_columns, width=width, depth=depth)
        self.tower_b = PastEncoder(n_columns, size, width)
        self.n_columns, self.depth = n_columns, depth
        self.n_inputs = n_columns + self.tower_b.n_inputs
        self.n_outputs = self.tower_a.n_outputs + self.tower_b.n_outputs

    @property
    def settings(self) -> dict[str, Any]:
        return self.tower_b.settings | {"depth": self.depth}

    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Records (*, d), and mean and spread (*, 2 d) of their pasts: what each tower is without training."""
        return rows[..., : self.n_columns], self.tower_b.pooled(rows[..., self.n_columns :])

    def towers(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of records (*, d) and pasts (*, 2 d)."""
        return self.tower_a(rows[..., : self.n_columns]), self.tower_b(rows[..., self.n_columns :])

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat(self.towers(rows), dim=-1)
