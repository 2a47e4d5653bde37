"""What the run of the made-up store read of the customers that it alerted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from anomaly_cl.alerts.models import Alert, EntityPast

RECORDS = 40
SIMILAR = 5


def pasts_of(rng: np.random.Generator, run_id: str, alerts: Sequence[Alert]) -> Iterator[EntityPast]:
    """A past for each alerted customer: a purchase every other day, and its alerts among them."""
    of_customer: dict[str, list[Alert]] = {}
    for alert in alerts:
        of_customer.setdefault(str(alert.entity), []).append(alert)
    names = sorted(of_customer)
    for customer in names:
        others = [str(name) for name in rng.choice(names, min(SIMILAR, len(names)), replace=False) if name != customer]
        similar = [{"entity": name, "distance": round(float(distance), 3), "records": int(rng.integers(20, 90))}
                   for name, distance in zip(others, np.sort(rng.gamma(2.0, 0.2, len(others))), strict=True)]
        yield EntityPast(run_id=run_id, entity_column="customer", entity=customer, similar=similar,
                         records=sorted(_records(rng, of_customer[customer]), key=lambda record: record["time"]))


def _records(rng: np.random.Generator, alerts: Sequence[Alert]) -> Iterator[dict[str, Any]]:
    usual, first = float(rng.uniform(15, 90)), alerts[0].occurred_at
    assert first is not None
    for place in range(RECORDS):
        when = first - timedelta(days=2 * place + 1, minutes=int(rng.integers(900)))
        yield {"time": when.isoformat(), "key": f"TX-{1_000_000 + int(rng.integers(600_000))}", "alert": False,
               "amount": round(usual * float(rng.gamma(6, 1 / 6)), 2), "risk": round(float(rng.gamma(2, 3)), 2)}
    for alert in alerts:
        assert alert.occurred_at is not None
        yield {"time": alert.occurred_at.isoformat(), "key": alert.key, "amount": alert.amount, "risk": alert.risk,
               "alert": True}
