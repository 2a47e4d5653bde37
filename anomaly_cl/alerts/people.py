"""Who writes to the store: names as they are kept."""

from __future__ import annotations

from anomaly_cl.errors import UsageError

PERSON_LENGTH = 100  # characters: people are parts of indexes, whose rows a database keeps short


def author_name(given: str, what: str) -> str:
    """The name of the author of `what` ("a verdict"); raises UsageError for none and for a long one."""
    if not isinstance(given, str) or not given.strip():
        raise UsageError(f"{what} must have an author", f"it is {given!r}", "name who decided")
    return short_name(given, f"the author of {what}")


def short_name(given: str, what: str) -> str:
    """A name of some characters, without those around it that are not seen; raises UsageError for any other."""
    name = given.strip()
    if not 1 <= len(name) <= PERSON_LENGTH or "\0" in name:
        raise UsageError(f"{what} must have 1 to {PERSON_LENGTH} characters", f"it is {_shown(given)}",
                         "give a shorter one")
    return name


def free_text(given: str, what: str) -> str:
    """A note or reason as it is; raises UsageError for a character that not every database can hold."""
    if "\0" in given:
        raise UsageError(f"{what} must be text without the character NUL", f"it is {_shown(given)}", "take it out")
    return given


def _shown(given: str) -> str:
    return repr(given) if len(given) <= 40 else f"{given[:37]!r}... of {len(given)} characters"
