"""What is said about why a record is strange, and what would make it ordinary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Contribution:
    """A column, what it adds to the score, and as text its value and what records otherwise alike have.

    The contribution is the mean of how far the score falls when the column takes that, and how far that of an ordinary
    record rises by the column's value.
    """

    column: str
    contribution: float
    value: str | None
    typical: str | None


@dataclass(frozen=True)
class Clause:
    """A part of the sentence, and the column whose values it tells."""

    column: str
    text: str


@dataclass(frozen=True)
class PairContribution:
    """Two columns, and by how much the score falls when both take what one record otherwise alike has."""

    a: str
    b: str
    contribution: float


@dataclass(frozen=True)
class Neighbour:
    """A nearest normal record {column: value}, and the columns in which a reader would call it different."""

    record: dict[str, Any]
    differing: frozenset[str]


@dataclass(frozen=True)
class Change:
    """A column that is to change, its value and the one that it takes, and the change in words.

    Values are those of the rows that are scored: of the file, or how far a record is from its entity's past.
    """

    column: str
    value: Any
    to: Any
    words: str


@dataclass(frozen=True)
class Counterfactual:
    """The fewest columns found whose change brings the record under the threshold, and its score and p-value after."""

    changes: tuple[Change, ...]
    score: float
    p_value: float
    sentence: str


@dataclass(frozen=True)
class Explanation:
    """Why a record was scored as it was.

    sentence: at most three clauses in words. clauses: these one by one. contributions: every column that adds to the
    score, strongest first. pairs: where a single column explains little, pairs that explain more. neighbours: the
    nearest normal records.
    counterfactual: None where the record is under the threshold already, or no change of columns brings it there.
    threshold: the score from which a record has a p-value of at most `level`.
    """

    sentence: str
    clauses: tuple[Clause, ...]
    score: float
    p_value: float
    threshold: float
    level: float
    contributions: tuple[Contribution, ...]
    pairs: tuple[PairContribution, ...]
    neighbours: tuple[Neighbour, ...]
    counterfactual: Counterfactual | None

    @property
    def unusual(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.score >= self.threshold

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"unusual": self.unusual} | dict(plain(asdict(self)))


def plain(value: Any) -> Any:
    """As JSON has it: times as ISO texts, sets in order, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
