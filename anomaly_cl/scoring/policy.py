"""What every policy is, and the rows and facts that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector

Number = TypeVar("Number", int, float)
SLACK = 1 + 1e-12
"""Rates are compared up to this factor, so that 1 / (n + 1) meets a level that was written to equal it."""


@dataclass(frozen=True)
class ScoredRows:
    """The rows of a file that a policy chooses among, in row order: arrays (rows,); InputError unless they match.

    times: datetime64, NaT where missing; segments: object, None where missing; None where there is no such column.
    total: rows of the file, where some that the policy cannot pick are left out here (see `Policy.may_alert`).
    n_calibration: calibration rows behind the p-values.
    """

    p_values: np.ndarray
    scores: np.ndarray
    p_tail: np.ndarray | None = None
    times: np.ndarray | None = None
    segments: np.ndarray | None = None
    total: int | None = None
    n_calibration: int | None = None

    def __post_init__(self) -> None:
        for name in ("p_values", "scores", "p_tail"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, finite_vector(getattr(self, name)))
        lengths = {name: len(array) for name, array in self._arrays().items()}
        if len(set(lengths.values())) > 1:
            raise InputError("each row has one of each", f"there are {lengths}", "give all arrays for the same rows")

    def __len__(self) -> int:
        return len(self.p_values)

    @property
    def n_rows(self) -> int:
        """Rows of the whole file."""
        return len(self) if self.total is None else self.total

    def tails(self) -> np.ndarray:
        """The extrapolated p-values, or the plain ones where there is no tail."""
        return self.p_values if self.p_tail is None else self.p_tail

    def take(self, index: np.ndarray) -> ScoredRows:
        """Some of the rows."""
        return self._with({name: array[index] for name, array in self._arrays().items()}, self.total)

    @classmethod
    def joined(cls, parts: Sequence[ScoredRows], total: int | None = None) -> ScoredRows:
        """The rows of one or more parts, one after the other, of a file of `total` rows."""
        names = list(parts[0]._arrays())
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return parts[0]._with(arrays, total)

    def _with(self, arrays: dict[str, Any], total: int | None) -> ScoredRows:
        return replace(self, total=total, **arrays)

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


@dataclass(frozen=True)
class Known:
    """What is known before scoring: calibration rows, rows to score (None: a stream), and what the rows will have."""

    n_calibration: int
    n_rows: int | None = None
    tail: bool = False
    times: bool = False
    segments: bool = False


class Policy(Protocol):
    """Which rows become alerts: a frozen dataclass. `str(policy)` is read back by `parse_policy`."""

    name: ClassVar[str]

    @classmethod
    def parse(cls, value: str) -> Self:
        """The policy from the text after "name="; raises UsageError."""

    def check(self, known: Known) -> None:
        """Raise UsageError if it can never give an alert, or needs a column that the rows do not have."""

    def warning(self, known: Known) -> str:
        """What a user should know before scoring, such as how many alerts it takes to give any; "" for nothing."""

    def may_alert(self, rows: ScoredRows) -> np.ndarray:
        """Mask (rows,) of rows that may be alerts of a file that these are part of.

        `alerts` of these rows alone, with `total`, equals that of the whole file; so one pass over a stream is enough.
        """

    def alerts(self, rows: ScoredRows) -> np.ndarray:
        """Mask (rows,) of the alerts of a file."""

    def cut(self, rows: ScoredRows) -> dict[str, Any]:
        """How the choice was made, as plain data; `p_value_at_most` where the alerts are the rows up to a p-value."""

    def in_words(self) -> str:
        """The rule as a person would say it, without a full stop."""


def number_in(kind: type[Number], value: str, example: str) -> Number:
    """The number that a text holds; raises UsageError that names the example."""
    try:
        return kind(value.strip())
    except ValueError:
        kinds = {int: "a whole number", float: "a number"}
        raise UsageError(f"{example.partition('=')[0]} needs {kinds[kind]}", f"it is {value!r}",
                         f"write for example {example}") from None


def options_in(text: str, known: Mapping[str, str], example: str) -> tuple[str, dict[str, str]]:
    """The value before the first comma, and the options after it as {name: text}; raises UsageError for others.

    known: what each option is by its name, "flag" or "number".

    >>> options_in("0.05, arbitrary,share=0.01", {"arbitrary": "flag", "share": "number"}, "fdr=0.05")
    ('0.05', {'arbitrary': '', 'share': '0.01'})
    """
    value, *parts = (part.strip() for part in text.split(","))
    found: dict[str, str] = {}
    for part in parts:
        name, equals, given = (piece.strip() for piece in part.partition("="))
        name = name.lower()
        if name in found or (known.get(name) == "number") != bool(equals) or name not in known:
            forms = [f"{option}=..." if kind == "number" else option for option, kind in known.items()]
            raise UsageError(f"the options of {example.partition('=')[0]} are {forms}, each once",
                             f"one is {part!r}", f"write for example {example}")
        found[name] = given
    return value, found
