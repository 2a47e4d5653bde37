"""What each column of a table is: a kind (how it is read) and a role (what it is used for)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import yaml

from anomaly_cl.errors import InputError, UsageError, brief, brief_text


class Kind(StrEnum):
    """How the values of a column are read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    DATETIME = "datetime"
    TEXT = "text"
    VECTOR = "vector"


class Role(StrEnum):
    """What a column is used for."""

    FEATURE = "feature"  # describes the record; learned from
    KEY = "key"  # names the record
    ENTITY = "entity"  # names whom the record is about
    TIME = "time"  # when the record happened; its clock (hour, weekday) is learned from
    LABEL = "label"  # what people said of the record; never read by training or scoring
    SEGMENT = "segment"  # the group within which scores are calibrated; also learned from
    IGNORE = "ignore"  # left out


MOST_ELEMENTS = 1_000_000  # of a vector
LEARNED_FROM = frozenset({Role.FEATURE, Role.TIME, Role.SEGMENT})
NOT_READ = frozenset({Role.LABEL, Role.IGNORE})


@dataclass(frozen=True)
class Column:
    """One column: its kind, its role, its Arrow type as text, and why it was taken so.

    `missing` and `infinite` say whether such a value is accepted ("allow") or rejects its row ("reject");
    `size` is the number of elements of a vector; `date_order` says how a datetime written with slashes or dots is
    meant: None (year first, or a month by name), "dmy" or "mdy". Values of a `private` column are not shown to
    everybody who reads alerts.
    """

    name: str
    kind: Kind
    type: str
    role: Role = Role.FEATURE
    reason: str = ""
    missing: str = "allow"
    infinite: str = "reject"
    size: int | None = None
    date_order: str | None = None
    private: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _member(Kind, self.kind, f"kind of column {self.name!r}"))
        object.__setattr__(self, "role", _member(Role, self.role, f"role of column {self.name!r}"))
        for rule in ("missing", "infinite"):
            if getattr(self, rule) not in ("allow", "reject"):
                raise InputError(
                    f"{rule!r} of column {self.name!r} must be 'allow' or 'reject'",
                    f"it is {brief(getattr(self, rule))}", "correct the schema",
                )
        if self.date_order not in (None, "dmy", "mdy"):
            raise InputError(
                f"'date_order' of column {self.name!r} must be 'dmy' or 'mdy', or left out",
                f"it is {brief(self.date_order)}", "correct the schema",
            )
        if not isinstance(self.private, bool):
            raise InputError(f"'private' of column {self.name!r} must be true or false",
                             f"it is {brief(self.private)}", "correct the schema")
        for text in ("type", "reason"):
            if not isinstance(getattr(self, text), str):
                raise InputError(f"{text!r} of column {self.name!r} must be a text",
                                 f"it is {brief(getattr(self, text))}", "correct the schema")
        if not (_is_size(self.size) or (self.size is None and self.kind is not Kind.VECTOR)):
            raise InputError(f"the size of vector column {self.name!r} must be a number from 1 to {MOST_ELEMENTS:,}",
                             f"it is {brief(self.size)}", "give the number of elements")
        if self.role is Role.TIME and self.kind is not Kind.DATETIME:
            raise InputError(
                f"the time column {self.name!r} must be of kind datetime", f"it is {self.kind.value}",
                "set its kind to datetime, or its role to ignore",
            )


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in file order."""

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if twice := sorted(name for name, times in Counter(names).items() if times > 1):
            raise InputError("column names must be unique", f"given twice: {twice}", "rename them")
        for role in (Role.KEY, Role.TIME, Role.SEGMENT):
            held = [column.name for column in self.columns if column.role is role]
            if len(held) > 1:
                raise InputError(
                    f"at most one column can have the role {role.value}", f"found {held}", "set the others to ignore"
                )

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise InputError(
            f"column {name!r} is not in the schema", f"it has {self.names}", "correct the name or the schema"
        )

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def with_role(self, *roles: Role) -> list[Column]:
        """Columns that have one of these roles, in file order."""
        return [column for column in self.columns if column.role in roles]

    def only(self, role: Role) -> str | None:
        """Name of the single column with this role (key, time or segment), or None."""
        held = self.with_role(role)
        return held[0].name if held else None

    @property
    def learned(self) -> list[Column]:
        """Columns that training and scoring read as features (roles feature, time and segment)."""
        return [column for column in self.columns if column.role in LEARNED_FROM]

    @property
    def required(self) -> list[Column]:
        """Columns that a file to be scored must have: all but labels and ignored ones."""
        return [column for column in self.columns if column.role not in NOT_READ]

    def assign(self, roles: Mapping[str, str]) -> Schema:
        """The same schema with the roles of some columns replaced: {"TX_FRAUD": "label"}."""
        for name in roles:
            self[name]
        return Schema(tuple(
            replace(column, role=_member(Role, roles[column.name], f"role of column {column.name!r}"),
                    reason="role given by the user")
            if column.name in roles else column
            for column in self.columns
        ))

    def naming(self, *, key: str | None = None, entities: Iterable[str] = (), time: str | None = None) -> Schema:
        """The same schema with these columns as key, entities and time; those that were so before are ignored."""
        roles: dict[str, str] = {}
        for role, names in ((Role.KEY, [key] if key else []), (Role.ENTITY, list(entities)),
                            (Role.TIME, [time] if time else [])):
            if names:
                roles |= {column.name: Role.IGNORE.value for column in self.with_role(role)
                          if column.name not in roles} | dict.fromkeys(names, role.value)
        return self.assign(roles)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON and YAML; defaults are left out."""
        return {"columns": {column.name: _settings(column) for column in self.columns}}

    @classmethod
    def from_dict(cls, data: Any) -> Schema:
        if not isinstance(data, dict) or not isinstance(data.get("columns"), dict) or not data["columns"]:
            raise InputError("a schema is a mapping 'columns:' of name to settings", f"found {brief(data)}",
                             "start from the output of `anomaly-cl schema FILE`")
        return cls(tuple(_column(str(name), settings) for name, settings in data["columns"].items()))

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)

    @classmethod
    def from_yaml(cls, text: str) -> Schema:
        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
            # ValueError: an impossible date, say
            raise InputError("the schema must be valid YAML", brief_text(str(error).replace("\n", " ")) or "it is not",
                             "correct it") from error
        return cls.from_dict(data)


_SETTINGS = ("kind", "type", "role", "missing", "infinite", "size", "date_order", "private", "reason")
_DEFAULTS = {"missing": "allow", "infinite": "reject", "size": None, "date_order": None, "private": False, "reason": ""}


def _settings(column: Column) -> dict[str, Any]:
    values = {name: getattr(column, name) for name in _SETTINGS}
    return {
        name: str(value) if isinstance(value, StrEnum) else value
        for name, value in values.items()
        if name not in _DEFAULTS or value != _DEFAULTS[name]
    }


def _column(name: str, settings: Any) -> Column:
    if not isinstance(settings, dict):
        raise InputError(f"settings of column {name!r} must be a mapping", f"found {brief(settings)}",
                         "write for example {kind: numeric, type: double}")
    unknown = sorted(set(map(str, settings)) - set(_SETTINGS))
    lacking = sorted({"kind", "type"} - set(settings))
    if unknown or lacking:
        raise InputError(f"settings of column {name!r} are among {list(_SETTINGS)}",
                         f"unknown: {unknown}, lacking: {lacking}", "correct the schema")
    return Column(name, **settings)


def _member(kind: type[StrEnum], value: Any, what: str) -> Any:
    try:
        return kind(value if isinstance(value, str) else "")  # an enumeration's own error would write out all of it
    except ValueError:
        raise UsageError(f"{what} must be one of {_choices(kind)}", f"it is {brief(value)}",
                         "choose one of them") from None


def _choices(kind: Iterable[StrEnum]) -> list[str]:
    return [member.value for member in kind]


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_ELEMENTS
