"""The exceptions a user may meet; every message says the rule that was broken, the value found, and the remedy."""

from __future__ import annotations

import reprlib
from typing import Any


class AnomalyCLError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with.

    The message reads "rule; value; remedy". The three parts stay readable as attributes.
    """

    exit_code = 1

    def __init__(self, rule: str, value: str, remedy: str):
        super().__init__(rule, value, remedy)
        self.rule, self.value, self.remedy = rule, value, remedy

    def __str__(self) -> str:
        return f"{self.rule}; {self.value}; {self.remedy}"


class UsageError(AnomalyCLError, ValueError):
    """A setting, option or argument that cannot be meant."""

    exit_code = 2


class InputError(AnomalyCLError, ValueError):
    """A file, table, schema or row that cannot be read as it is."""

    exit_code = 3


class StaleError(AnomalyCLError):
    """A write that rests on what somebody else has changed since it was read."""


class ModelError(AnomalyCLError):
    """A model folder that is incomplete, altered, or of another format; or a model that learned nothing."""

    exit_code = 4


class PolicyWarning(UserWarning):
    """What a policy cannot do with the calibration that there is; said before scoring."""


_BOUNDED = reprlib.Repr()
_BOUNDED.maxlevel, _BOUNDED.maxlist, _BOUNDED.maxdict, _BOUNDED.maxstring = 3, 5, 5, 80


def brief(value: Any) -> str:
    """A value for messages; of nested ones a part is looked at, since aliases in YAML can make them boundless."""
    try:
        return brief_text(_BOUNDED.repr(value), 80)
    except ValueError:  # an integer of more digits than Python writes
        return f"a very long {type(value).__name__}"


def brief_text(text: str, most: int = 300) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else text[:most - 3] + "..."
