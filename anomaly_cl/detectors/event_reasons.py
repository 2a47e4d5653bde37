"""Why a record of an entity was flagged, in words: what it has, and what its entity's past let expect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.confirmations import ONE_CLASS
from anomaly_cl.detectors.event_table import EXPECTED, EventSchema
from anomaly_cl.detectors.reasons import MOST_REASONS, shown
from anomaly_cl.features.deviation_kinds import Deviation
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.schema import Role
from anomaly_cl.scoring.noisy_or import Joined


class EventReasons:
    """Turns reasons that speak of deviations into ones that a person can check against the entity's records."""

    def __init__(self, events: EventSchema, learned: EntityDeviations):
        self.events, self.learned = events, learned

    def complete(
        self, found: list[list[dict[str, Any]]], rows: pa.Table | pa.RecordBatch, added: Mapping[str, np.ndarray],
        strange: Mapping[str, np.ndarray], days: int,
    ) -> list[list[dict[str, Any]]]:
        """Reasons of event rows in words, with what the last days of each entity role added {role: (rows,)}.

        `strange` {role: (rows,)} is how many strange records there were.
        """
        time = self.events.base.only(Role.TIME)
        complete = []
        for position, reasons in enumerate(found):
            row = {name: rows.column(name)[position].as_py() for name in rows.schema.names}
            told = [self._in_words(reason, row, row.get(time or "")) for reason in reasons]
            told += [{"column": f"earlier strange records of {role}", "contribution": float(nats[position]),
                      "value": f"{strange[role][position]} in {days} d", "typical": "0"}
                     for role, nats in added.items() if strange[role][position]]
            told.sort(key=lambda reason: -reason["contribution"])
            complete.append([reason for reason in told if reason["contribution"] > 0][:MOST_REASONS])
        return complete

    def _in_words(self, reason: dict[str, Any], row: Mapping[str, Any], time: datetime | None) -> dict[str, Any]:
        deviation = self.learned.by_name.get(reason["column"])
        if deviation is None:
            return reason
        value, typical = in_words(deviation, row[deviation.name], row[EXPECTED + deviation.name], row, time)
        return reason | {"value": value, "typical": typical}


def with_verdicts(
    found: list[list[dict[str, Any]]], joined: Joined, p_tail: np.ndarray
) -> list[list[dict[str, Any]]]:
    """Reasons of a joined score: its nats, -log p, shared out by cause; the reasons of the one-class part share its.

    Given reasons of each row, the joined scores and their tail p-values (rows,).
    """
    complete = []
    for position, reasons in enumerate(found):
        nats, chance = float(-np.log(p_tail[position])), float(joined.probability[position])
        shares = {cause: float(share[position]) for cause, share in joined.shares.items()}
        total = sum(reason["contribution"] for reason in reasons) or 1.0
        told = [reason | {"contribution": reason["contribution"] / total * nats * shares[ONE_CLASS]}
                for reason in reasons]
        told += [{"column": f"verdicts on {cause}", "contribution": nats * share,
                  "value": f"{share:.0%} of a chance of {chance:.2g}", "typical": None}
                 for cause, share in shares.items() if cause != ONE_CLASS]
        told.sort(key=lambda reason: -reason["contribution"])
        complete.append([reason for reason in told if reason["contribution"] > 0][:MOST_REASONS])
    return complete


def in_words(
    deviation: Deviation, value: float | None, expected: float | None, row: Mapping[str, Any], time: datetime | None
) -> tuple[str | None, str | None]:
    """What a record has, and what was expected, given its deviation and expectation, its cells and its time."""
    known = expected or 0.0
    if deviation.kind == "amount":
        return shown(row[str(deviation.about)]), shown(expected)
    if deviation.kind == "gap":
        return None if value is None else duration(known * math.exp(min(value, 700.0))), duration(known)
    if deviation.kind == "hour":
        return None if time is None else f"{time:%H:%M}", f"around {int(known):02d}:{int(known % 1 * 60):02d}"
    if deviation.kind == "activity":
        return f"{known + (value or 0.0) * math.sqrt(known + 1):.0f}", f"{known:.3g}"
    times = {0.0: "never", 1.0: "once"}.get(known, f"{known:.0f} times")
    return shown(row[str(deviation.about)]), f"{times} before"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that fits: "3.5 h"."""
    for size, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
