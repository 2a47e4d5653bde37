"""Who may do what: roles, who has which, and the refusal. Nothing here knows of pages; `login` says who is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from anomaly_cl.errors import AnomalyCLError, InputError, UsageError, brief, brief_text

ROLES = ("viewer", "analyst", "admin")  # each may do what those before it may
SEE_PRIVATE = ("analyst", "admin")
KEYS = ("default", "users", "private")
EXAMPLE = "write for example {default: viewer, users: {ann@example.org: admin}, private: [analyst, admin]}"


class Forbidden(AnomalyCLError):  # noqa: N818 it is no fault of the program
    """What this role may not do; raised before anything is read or written."""


@dataclass(frozen=True)
class Actor:
    """A person at the dashboard: the name that stands beside what they decide, their role, and what they may see."""

    name: str
    role: str = "viewer"
    sees_private: bool = False

    def may(self, role: str) -> bool:
        """Whether this person has the role, or one that may do more."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def must_be(self, role: str, doing: str) -> None:
        """Raise Forbidden unless this person has the role or more; `doing` reads like "giving a verdict"."""
        if not self.may(role):
            refused = Forbidden(needed(role, doing), f"{self.name} is {article(self.role)}",
                                "ask who runs this dashboard for that role")
            logging.getLogger(__name__).warning("refused: %s", refused)
            raise refused


def needed(role: str, doing: str) -> str:
    """The rule in words, as a disabled button shows it.

    >>> needed("analyst", "giving a verdict")
    'giving a verdict needs the role analyst or admin'
    """
    return f"{doing} needs the role {' or '.join(ROLES[ROLES.index(role):])}"


def article(role: str) -> str:
    """A role with its article: a viewer, an analyst."""
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"


@dataclass(frozen=True)
class Roles:
    """Roles by login name (capitals make no difference), the role of others (None: they are not let in), and the roles
    that see private columns."""

    users: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    private: tuple[str, ...] = SEE_PRIVATE

    def actor(self, name: str) -> Actor:
        """The person of this login name; raises Forbidden where it has no role."""
        role = self.users.get(name.casefold(), self.default)
        if role is None:
            raise Forbidden("this dashboard is open to people with a role", f"{name} has none",
                            "ask who runs this dashboard to add you to its roles file")
        return self.local(name, role)

    def local(self, name: str, role: str) -> Actor:
        """A person whose role is known already."""
        return Actor(name, _role(role, "a role"), role in self.private)

    @classmethod
    def read(cls, path: str | Path) -> Roles:
        """The roles of a YAML file; InputError if it cannot be read, UsageError for what it cannot mean."""
        try:
            text = Path(path).read_text("utf-8")
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
                # a few lines of them can stand for more than fits the memory, once they are written out
                raise UsageError("a roles file repeats nothing by aliases", f"{path} does", "write it out")
            data = yaml.safe_load(text)
        except UsageError:
            raise
        except (OSError, ValueError, TypeError, OverflowError, RecursionError, yaml.YAMLError) as error:
            said = str(error).splitlines() or [type(error).__name__]
            raise InputError("the roles file must be readable YAML", f"{path}: {brief_text(said[0])}",
                             EXAMPLE) from error
        return cls.of(data)

    @classmethod
    def of(cls, data: Any) -> Roles:
        """Roles of plain data: {"default": role, "users": {name: role}, "private": [role, ...]}."""
        if not isinstance(data, dict) or set(data) - set(KEYS):
            found = sorted(map(str, set(data) - set(KEYS))) if isinstance(data, dict) else brief(data)
            raise UsageError(f"a roles file holds {', '.join(KEYS)} and nothing else", f"found {found}", EXAMPLE)
        users, private, default = data.get("users") or {}, data.get("private"), data.get("default")
        if not isinstance(users, dict) or not isinstance(private, list | None):
            raise UsageError("users is a mapping of names to roles, private a list of roles",
                             f"found {brief(users)} and {brief(private)}", EXAMPLE)
        names = [str(name).casefold() for name in users]
        if len(set(names)) < len(names):
            raise UsageError("a name must have one role; capitals make no other name",
                             f"twice: {sorted({name for name in names if names.count(name) > 1})}", "keep one of them")
        return cls(
            users={name: _role(role, f"the role of {name}") for name, role in zip(names, users.values(), strict=True)},
            default=None if default is None else _role(default, "default"),
            private=SEE_PRIVATE if private is None else tuple(_role(role, "private") for role in private),
        )


def _role(role: Any, what: str) -> str:
    if not isinstance(role, str) or role not in ROLES:
        raise UsageError(f"{what} must be one of {', '.join(ROLES)}", f"it is {brief(role)}", "choose one of them")
    return str(role)
