"""Policies: how alerts are cut from calibrated scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.arrays import finite_vector

Number = TypeVar("Number", int, float)


class Policy(Protocol):
    """Which rows become alerts. `str(policy)` is read back by `parse_policy`."""

    name: ClassVar[str]

    @classmethod
    def parse(cls, value: str) -> Self:
        """The policy from the text after "name="; raises UsageError."""

    def check(self, n_calibration: int) -> None:
        """Raise UsageError if so few calibration rows can never give an alert."""

    def alerts(self, p_values: ArrayLike, scores: ArrayLike) -> np.ndarray:
        """Mask (rows,) of alerts, from the p-values (rows,) and scores (rows,) of all rows of a file."""


@dataclass(frozen=True)
class Alpha:
    """Alert where p_value <= rate: of normal rows, at most this share is alerted in the long run."""

    rate: float
    name: ClassVar[str] = "alpha"

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise UsageError("alpha is a rate between 0 and 1", f"it is {self.rate!r}", "write for example alpha=0.01")

    @classmethod
    def parse(cls, value: str) -> Self:
        return cls(_number(float, value, "alpha=0.01"))

    def check(self, n_calibration: int) -> None:
        smallest = 1 / (n_calibration + 1)
        if smallest > self.rate:
            raise UsageError(
                f"alpha must be at least 1 / (calibration rows + 1) = {smallest:.3g} to give any alert",
                f"it is {self.rate} with {n_calibration} calibration rows",
                f"calibrate on {math.ceil(1 / self.rate) - 1} rows or more, raise alpha, or use budget=N",
            )

    def alerts(self, p_values: ArrayLike, scores: ArrayLike) -> np.ndarray:
        p_values, _ = _same_rows(p_values, scores)
        return p_values <= self.rate

    def __str__(self) -> str:
        return f"{self.name}={self.rate!r}"


@dataclass(frozen=True)
class Budget:
    """Alert the `count` highest scores of a file, or all rows of a smaller one; equal scores in row order."""

    count: int
    name: ClassVar[str] = "budget"

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise UsageError("a budget is a whole number of alerts, 1 or more", f"it is {self.count!r}",
                             "write for example budget=100")

    @classmethod
    def parse(cls, value: str) -> Self:
        return cls(_number(int, value, "budget=100"))

    def check(self, n_calibration: int) -> None:
        """Any calibration will do: a budget only needs the order of the scores."""

    def alerts(self, p_values: ArrayLike, scores: ArrayLike) -> np.ndarray:
        _, scores = _same_rows(p_values, scores)
        mask = np.zeros(len(scores), dtype=bool)
        mask[np.argsort(-scores, kind="stable")[:self.count]] = True
        return mask

    def __str__(self) -> str:
        return f"{self.name}={self.count}"


POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (Alpha, Budget)}


def parse_policy(text: str) -> Policy:
    """A policy from its text; raises UsageError for anything but "name=value" of a known name.

    >>> parse_policy("alpha=0.01"), str(parse_policy("budget=100"))
    (Alpha(rate=0.01), 'budget=100')
    """
    name, _, value = text.partition("=")
    policy = POLICIES.get(name.strip().lower())
    if policy is None:
        raise UsageError(f"a policy is one of {', '.join(f'{known}=...' for known in POLICIES)}", f"it is {text!r}",
                         "write for example alpha=0.01 or budget=100")
    return policy.parse(value.strip())


def _number(kind: type[Number], value: str, example: str) -> Number:
    try:
        return kind(value)
    except ValueError:
        kinds = {int: "a whole number", float: "a number"}
        raise UsageError(f"{example.partition('=')[0]} needs {kinds[kind]}", f"it is {value!r}",
                         f"write for example {example}") from None


def _same_rows(p_values: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p_values, scores = finite_vector(p_values), finite_vector(scores)
    if len(p_values) != len(scores):
        raise InputError("each row has one p-value and one score", f"there are {len(p_values)} and {len(scores)}",
                         "give both for the same rows")
    return p_values, scores
