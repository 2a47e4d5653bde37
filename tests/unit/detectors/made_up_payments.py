"""Simulated payments for tests of the event detector: earlier ones as they came, normal ones, and new ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.datasets.frauds import ALL_FRAUD_KINDS
from anomaly_cl.datasets.transactions import transactions_table
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.schema import Column, Schema

DAY = 86_400
SCHEMA = Schema((
    Column("transaction_id", "numeric", "int64", "key"),
    Column("booked_at", "datetime", "timestamp[s]", "time"),
    Column("customer_id", "categorical", "string", "entity"),
    Column("merchant_id", "categorical", "string", "entity"),
    Column("merchant_category", "categorical", "string"),
    Column("channel", "categorical", "string"),
    Column("amount", "numeric", "double"),
))


class Payments(NamedTuple):
    """`kind` (new rows,) is that of the frauds among the new rows, "" for honest ones."""

    history: pa.Table
    normal: pa.Table
    new: pa.Table
    kind: np.ndarray

    @property
    def before(self) -> pa.Table:
        """What came before the new ones."""
        return pa.concat_tables([self.history, self.normal])


def payments(rows, seed=0, *, first=45, until=65, fraud_share=0.01, kinds=ALL_FRAUD_KINDS, columns=SCHEMA.names):
    """About 90 days: history up to day `first`, then normal ones, then new ones from day `until` on."""
    every = transactions_table(rows, seed, kinds=kinds, ties=0.05, newcomers=0.1, fraud_share=fraud_share)
    seconds = every["booked_at"].cast(pa.int64()).to_numpy()
    day = (seconds - seconds.min()) / DAY
    honest = pc.is_null(every["fraud_kind"]).to_numpy()
    parts = (day < first, (day >= first) & (day < until) & honest, day >= until)
    history, normal, new = (every.filter(pa.array(part)).select(list(columns)) for part in parts)
    kind = np.array([name or "" for name in every["fraud_kind"].to_pylist()])[day >= until]
    return Payments(history, normal, new, kind)


def fitted(given: Payments, **settings) -> EventDetector:
    return EventDetector(**{"schema": SCHEMA, "random_state": 1} | settings).fit(given.normal, given.history)
