"""Why a record of an entity was flagged, in words: what it has, and what its entity's past let expect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anomaly_cl.detectors.event_clauses import change_of, clause_of, noun
from anomaly_cl.detectors.event_table import EXPECTED, RISK, STRANGE_RECORDS, EventSchema
from anomaly_cl.detectors.explanation import Change
from anomaly_cl.detectors.reasons import BESIDE, Donors, RowWords, Typical, shown
from anomaly_cl.features.deviation_kinds import Deviation, amount_deviating
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.schema import Role
from anomaly_cl.scoring.noisy_or import Joined
from anomaly_cl.scoring.recurrence import WINDOW_DAYS

STRANGE_BEFORE = "earlier strange records of "  # opens the names of what the last days of an entity add


class EventWords(RowWords):
    """Tells deviations as what a person can check against the entity's records, and what went before.

    `joined` is what verdicts say of the rows, None without any.
    """

    def __init__(self, found: Typical, events: EventSchema, learned: EntityDeviations, joined: Joined | None):
        super().__init__(found)
        self.events, self.learned, self.joined = events, learned, joined
        self.time = events.base.only(Role.TIME)

    def can_tell(self, row: int, column: int) -> bool:
        name = self.found.names[column]
        return not name.startswith(STRANGE_BEFORE) or self._strange(row, name) > 0

    def told(self, row: int, column: int) -> tuple[str | None, str | None]:
        name = self.found.names[column]
        if (deviation := self.learned.by_name.get(name)) is not None:
            return self._deviating(deviation, row, self.value(row, name))
        if name.startswith(STRANGE_BEFORE):
            return f"{self._strange(row, name)} in {WINDOW_DAYS} d", "0"
        if name.startswith(RISK) and self.joined is not None:
            share = float(self.joined.shares[name.removeprefix(RISK)][row])
            return f"{share:.0%} of a chance of {float(self.joined.probability[row]):.2g}", None
        return super().told(row, column)

    def clause(self, row: int, column: int) -> str:
        name = self.found.names[column]
        if (deviation := self.learned.by_name.get(name)) is not None:
            return clause_of(deviation, self._record(row), self.value(row, EXPECTED + name), *self.told(row, column))
        if name.startswith(STRANGE_BEFORE):
            n, whose = self._strange(row, name), noun(name.removeprefix(STRANGE_BEFORE))
            return f"{n} strange record{'' if n == 1 else 's'} of this {whose} in the {WINDOW_DAYS} days before"
        if name.startswith(RISK):
            return f"what was found of earlier records of this {noun(name.removeprefix(RISK))}"
        if name in self.events.patterns:
            return f"unlike the last records: {name}"
        return super().clause(row, column)

    def subject(self, column: int) -> object:
        name = self.found.names[column]
        deviation = self.learned.by_name.get(name)
        if deviation is None:
            return name
        if deviation.kind == "hour":
            return self.time
        return deviation.about or (deviation.kind, deviation.entity)

    def speaks_of_the_past(self, column: int) -> bool:
        return self.found.names[column] in self.learned.by_name

    def change(self, row: int, column: int, donors: Donors) -> Change:
        name = self.found.names[column]
        if name not in self.found.donors.table.schema.names:
            place = column - self.found.falls.shape[1]
            value, to = (float(cells.matrices[BESIDE][row, place]) for cells in (self.found.cells, donors.cells))
            what, role = (("strange records", name.removeprefix(STRANGE_BEFORE)) if name.startswith(STRANGE_BEFORE)
                          else ("verdicts", name.removeprefix(RISK)))
            return Change(name, value, to, f"no {what} of this {noun(role)} before")
        deviation = self.learned.by_name.get(name)
        if deviation is None:
            return super().change(row, column, donors)
        value, to = self.value(row, name), donors.value(row, column, name)
        (now, usual), (then, _) = (self._deviating(deviation, row, each) for each in (value, to))
        return Change(name, value, to, change_of(deviation, self._record(row), now, then, usual,
                                                 self._amount(deviation, row, value, to)))

    def _amount(self, deviation: Deviation, row: int, value: float | None, to: float | None) -> float:
        """The amount that would deviate by `to`; of other deviations nothing."""
        expected = self.value(row, EXPECTED + deviation.name)
        if deviation.kind != "amount" or not value or expected is None:
            return expected if expected is not None else math.nan
        now = self.value(row, str(deviation.about))
        return amount_deviating(to or 0.0, now, value, expected, self.learned.settings_[deviation.name])

    def _deviating(self, deviation: Deviation, row: int, value: float | None) -> tuple[str | None, str | None]:
        record = self._record(row)
        return in_words(deviation, value, self.value(row, EXPECTED + deviation.name), record,
                        record.get(self.time or ""))

    def _strange(self, row: int, name: str) -> int:
        return int(self.value(row, STRANGE_RECORDS + name.removeprefix(STRANGE_BEFORE)))

    def _record(self, row: int) -> dict[str, Any]:
        return {column.name: self.value(row, column.name) for column in self.events.base.required}


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
