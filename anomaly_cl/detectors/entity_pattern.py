"""Whether a record fits what its entity did last: the two towers of `PastHead` over tables of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.event_table import Past
from anomaly_cl.detectors.past_head import PastHead
from anomaly_cl.encoders.pasts import EntityHistory
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.last_records import NONE, LastRecords
from anomaly_cl.features.records import numbered
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.pretraining.settings import TrainingSettings

RECORDS = 20  # the last ones of an entity that are looked at
SPACE = "robust"
WEIGHT = 0.15  # against a column of the record itself; on simulated payments more did harm


class EntityPattern:
    """Surprise of a record given the last records of its entity in one role.

    The encoder reads the record's own columns only: one that compares it with its past would give away which is its.
    """

    def __init__(self, role: str, encoder: TableEncoder):
        self.role, self.encoder = role, encoder

    @property
    def column(self) -> str:
        """Name of the surprise, as a column."""
        return f"pattern of {self.role}"

    def fit(
        self, past: Past, plan: HistoryPlan, reference: np.ndarray, held_out: np.ndarray,
        rng: np.random.Generator, training: TrainingSettings | None, trainer_options: Mapping[str, Any],
    ) -> Self:
        """Learn from the normal records at positions `reference` and `held_out` of those that `past` looks at."""
        history, rows, tails = self._seen(past, plan)
        # the tails are asked for of every record of the history, and read of those learned from alone
        every = np.zeros((len(history.columns), tails.shape[1]))
        every[rows] = tails
        self.head_ = PastHead(training).fit(
            history, every, self.encoder.column_of_, self.encoder.two_sided_, reference=rows[reference],
            held_out=rows[held_out], rng=rng, trainer_options=trainer_options)
        return self

    def surprise(self, past: Past, plan: HistoryPlan) -> np.ndarray:
        """One number a record looked at, higher = stranger."""
        history, rows, tails = self._seen(past, plan)
        return self.head_.distances(history, tails, rows)

    def _seen(self, past: Past, plan: HistoryPlan) -> tuple[EntityHistory, np.ndarray, np.ndarray]:
        """The records looked at and those before them, where the former stand there, and their tails."""
        n = past.rows.num_rows
        looked_at = np.arange(past.first, n)
        codes = numbered(past.records.column(plan.record_names[self.role]))[1]
        before = LastRecords(codes, *instants_and_ties(past.records)).before_rows(RECORDS, looked_at)
        held, places = compact(np.concatenate([looked_at[:, None], before], axis=1))
        encoded = self.encoder.transform(past.rows.take(held))
        lasts = np.full((len(held), RECORDS), NONE)
        rows = places[:, 0]
        lasts[rows] = places[:, 1:]
        return EntityHistory(encoded.spaces[SPACE], lasts), rows, encoded.tails[rows]

    def to_state(self) -> dict[str, Any]:
        return {"role": self.role, "head": self.head_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], encoder: TableEncoder) -> Self:
        pattern = cls(state["role"], encoder)
        pattern.head_ = PastHead.from_state(state["head"])
        return pattern


def compact(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions that occur, ascending, and the same places as positions among them; -1 stays."""
    held = np.unique(places[places != NONE])
    return held, np.where(places == NONE, NONE, np.searchsorted(held, places))


def instants_and_ties(records: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Instants and tie order (rows,) of records: of two at one instant, the one with the lesser key comes first."""
    keys = records.column("key").combine_chunks()
    order = pc.rank(keys, tiebreaker="first").to_numpy().astype(np.int64)
    missing = keys.is_null().to_numpy(zero_copy_only=False)  # a missing key is before all others
    return records.column("micros").to_numpy(), np.where(missing, np.arange(len(order)) - len(order), order)
