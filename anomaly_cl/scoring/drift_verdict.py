"""From evidence and size of a drift to one verdict that people can act on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from anomaly_cl.errors import UsageError

LEVEL = 0.01
WATCH_LEVELS = 10  # evidence ten times weaker is worth a look
VERY_LARGE = 0.25  # stability index that explains a drift seen elsewhere
LARGE = {"bulk": 0.1, "tail": 0.1, "column": 0.1}
"""Sizes that matter: Kolmogorov-Smirnov distance of the bulk, share of rows in the strange tenth beyond that tenth, and
population stability index of a column. Half as much, if it is certain, is worth a look."""


class Verdict(StrEnum):
    """What to do about the calibration; UNKNOWN if there are too few rows to tell."""

    FINE = "fine"
    WATCH = "watch"
    RECALIBRATE = "recalibrate"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One comparison: the log capital of its martingale, its share of the level, and how large the change is."""

    name: str
    log_capital: float
    share: float
    size: float

    @property
    def chance(self) -> float:
        """Bound on the probability that a stream without drift ever shows as much, here or in any other comparison."""
        return math.exp(min(0.0, -self.log_capital - math.log(self.share)))

    def grade(self, level: float, large: float) -> Verdict:
        certain, large_enough = self.chance <= level, self.size >= large
        if certain and large_enough:
            return Verdict.RECALIBRATE
        half = certain and self.size >= large / 2
        return Verdict.WATCH if half or (large_enough and self.chance <= WATCH_LEVELS * level) else Verdict.FINE


class ColumnDrift(Finding):
    """The comparison of one column; its size is the population stability index."""


@dataclass(frozen=True)
class DriftVerdict:
    """Whether the calibration still holds for a stream of rows, and what moved.

    `chance` bounds the probability that a stream without drift ever looks like this. `bulk_distance` is the
    Kolmogorov-Smirnov distance of the scores below the strange tenth, `tail_excess` the share of rows in that tenth
    beyond a tenth. `columns` come in order, the surest change first; `moved` names those that changed enough to matter.
    """

    verdict: Verdict
    sentence: str
    rows: int
    calibration_rows: int
    chance: float
    bulk_distance: float
    tail_excess: float
    moved: tuple[str, ...]
    columns: tuple[ColumnDrift, ...]

    def as_dict(self, most_columns: int = 20) -> dict[str, Any]:
        """Plain data for JSON, with the columns of the surest change only."""
        columns = [{"column": column.name, "stability_index": round(column.size, 4), "chance": column.chance}
                   for column in self.columns[:most_columns]]
        return asdict(self) | {"verdict": self.verdict.value, "moved": list(self.moved[:most_columns]),
                               "columns": columns}


def decide(
    rows: int, calibration_rows: int, fewest: int, findings: Sequence[Finding], columns: Sequence[ColumnDrift],
    level: float,
) -> DriftVerdict:
    """The verdict of findings "bulk" and "tail" about the scores, and of the columns; none of them if unknown."""
    if not 0 < level < 1:
        raise UsageError("the level of drift is a rate between 0 and 1", f"it is {level!r}", "use for example 0.01")
    if not findings or not rows:
        why = (f"{calibration_rows} calibration rows are too few to see drift; {fewest} are needed"
               if not findings else "there are no rows to compare")
        return DriftVerdict(Verdict.UNKNOWN, f"unknown: {why}", rows, calibration_rows, 1.0, 0.0, 0.0, (), ())
    ordered = tuple(sorted(columns, key=lambda column: (-max(column.log_capital, 0.0), -column.size, column.name)))
    graded = [(found, found.grade(level, LARGE[found.name])) for found in findings]
    graded += [(column, column.grade(level, LARGE["column"])) for column in ordered]
    worst = next((verdict for verdict in (Verdict.RECALIBRATE, Verdict.WATCH)
                  if verdict in [grade for _, grade in graded]), Verdict.FINE)
    seen = [found for found, grade in graded if grade is not Verdict.FINE]
    if seen:  # rows that moved so far that they are strange are not among those whose columns are compared
        seen += [column for column in ordered if column.size >= VERY_LARGE and column not in seen]
    moved = tuple(found.name for found in seen if isinstance(found, ColumnDrift))
    chance = min(found.chance for found, _ in graded)
    sizes = {found.name: found.size for found in findings}
    return DriftVerdict(worst, _sentence(worst, rows, seen), rows, calibration_rows, chance, sizes["bulk"],
                        sizes["tail"], moved, ordered)


def _sentence(verdict: Verdict, rows: int, seen: Sequence[Finding]) -> str:
    if verdict is Verdict.FINE:
        return f"fine: nothing in {rows:,} rows speaks against the calibration"
    changes = [_change(found) for found in seen[:3]]
    more = f" and {len(seen) - 3} more" if len(seen) > 3 else ""
    chance = min(found.chance for found in seen)
    odds = f"1 in {round(1 / chance):,}" if chance > 1e-6 else "less than 1 in a million"
    advice = ("p-values may no longer keep their rate, calibrate on new normal rows" if verdict is Verdict.RECALIBRATE
              else "look at it again with more rows")
    return f"{verdict}: {', '.join(changes)}{more} (by chance: {odds}); {advice}"


def _change(found: Finding) -> str:
    if isinstance(found, ColumnDrift):
        return f"{found.name} changed (stability index {found.size:.2f})"
    if found.name == "tail":
        return f"{0.1 + found.size:.0%} of the rows score like the strangest tenth of normal ones"
    return f"scores of ordinary rows moved (distance {found.size:.2f})"
