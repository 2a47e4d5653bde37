"""A first schema for a table, with the reason for each column in plain words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table import names
from anomaly_cl.table.cells import arrow_type
from anomaly_cl.table.kinds import read_kind
from anomaly_cl.table.names import Naming
from anomaly_cl.table.profile import Profile
from anomaly_cl.table.trend import grows_with, has_regular_steps, is_strict

_FEW_LABELS = 20
_FEW_THINGS = 20
_FEW_CODES = 50
_MANY_PHRASES = 500  # phrases of several words: from here on they are text, alike or not letter by letter
_FEW_CATEGORIES = 100
_KEY_RANKS = {Naming.RECORD: 4, Naming.ENTITY: 3, Naming.CODE: 2, Naming.THING: 1, None: 1}


@dataclass(frozen=True)
class _Proposal:
    """A column's role and reason; `key_rank` is how well it would name the record, 0 being not at all."""

    role: Role
    reason: str
    kind: Kind | None = None  # where it is not the kind found by reading
    key_rank: int = 0


def infer_schema(table: pa.Table) -> Schema:
    """Kind, role and reason of every column, from rows in their own order (a sample of up to 200,000 will do).

    Left out of the features, unless the user says otherwise: what names the record or whom it is about, numbers that
    grow with the order or the time of the records (every later record would look strange), and what looks like a
    label. Numbers without a name of their own (x0, V14) are always features. A segment is never inferred. Raises
    InputError when the table has no columns or no rows, or when a column name is given twice.
    """
    if not table.num_rows or not table.num_columns:
        raise InputError("a schema is inferred from rows", f"the table has {table.num_rows} rows and "
                         f"{table.num_columns} columns", "give a table with rows")
    profiles = [Profile(name, read_kind(table.column(i))) for i, name in enumerate(table.column_names)]
    time = _event_time(profiles)
    clock = time.floats if time else None
    proposals = [
        _Proposal(Role.TIME, _and("date and time of the record", profile.reading.note)) if profile is time
        else _propose(profile, clock)
        for profile in profiles
    ]
    best = max(proposals, key=lambda proposal: proposal.key_rank)
    return Schema(tuple(
        _column(profile, proposal, is_key=proposal is best and best.key_rank > 0)
        for profile, proposal in zip(profiles, proposals, strict=True)
    ))


def _event_time(profiles: list[Profile]) -> Profile | None:
    """The first datetime column whose name says it is when the record happened; else the first that may be."""
    dates = [profile for profile in profiles if profile.kind is Kind.DATETIME and len(profile.present)
             and names.is_event_time(profile.name)]
    return next((profile for profile in dates if names.says_event_time(profile.name)), dates[0] if dates else None)


def _propose(profile: Profile, clock: np.ndarray | None) -> _Proposal:
    reading = profile.reading
    if not len(profile.present):
        return _Proposal(Role.IGNORE, "entirely missing")
    if profile.kind is None:
        return _Proposal(Role.IGNORE, reading.note, Kind.TEXT)
    if profile.kind in (Kind.DATETIME, Kind.VECTOR):
        return _Proposal(Role.FEATURE, _and("date and time" if profile.kind is Kind.DATETIME else "", reading.note))
    label = _label(profile)
    if label:
        return label
    if pa.types.is_string(reading.values.type):
        return _text(profile)
    if pa.types.is_boolean(reading.values.type):
        return _Proposal(Role.FEATURE, _constant(profile) or "true or false")
    return _number(profile, clock)


def _label(profile: Profile) -> _Proposal | None:
    by_name = names.is_label(profile.name) or names.tells_of_label(profile.name)
    if not by_name or (profile.kind is Kind.NUMERIC and not profile.is_integral):
        return None
    if names.is_label(profile.name) and profile.n_distinct <= 2:
        return _Proposal(Role.LABEL, f"proposed as label by its name ({_values(profile)}); "
                         "left out until you say otherwise")
    if names.tells_of_label(profile.name) and profile.n_distinct <= _FEW_LABELS:
        return _Proposal(Role.IGNORE, f"tells of a label by its name ({_values(profile)}); left out")
    return None


def _number(profile: Profile, clock: np.ndarray | None) -> _Proposal:
    if names.is_nameless(profile.name):
        return _Proposal(Role.FEATURE, _constant(profile) or "number")
    naming = names.identifier(profile.name) if profile.is_integral else None
    identified = _identifier(profile, naming) if naming else None
    if identified:
        return identified
    grows = _time_like(profile, clock)
    if grows:
        return _Proposal(Role.IGNORE, f"time-like: {grows}, so every later record would look strange")
    if profile.is_numbered:
        return _names_record(profile, None)
    note = "the rows are sorted by it" if _is_sorted(profile) else ""
    return _Proposal(Role.FEATURE, _constant(profile) or _and("number", note))


def _identifier(profile: Profile, naming: Naming) -> _Proposal | None:
    """What a column that is named like an identifier is; None if its values say that it is none."""
    if naming is Naming.CATEGORY and profile.n_distinct <= _FEW_CATEGORIES:
        return _Proposal(Role.FEATURE, f"code of a category ({_values(profile)})", Kind.CATEGORICAL)
    if profile.is_small:
        if naming is Naming.RECORD and profile.is_unique:
            return _names_record(profile, naming)
        return _entity(profile) if naming in (Naming.RECORD, Naming.ENTITY) else None
    if profile.is_nearly_unique:
        return _names_record(profile, naming)
    if naming is Naming.THING and profile.n_distinct <= _FEW_THINGS and not _is_coded(profile):
        return None
    if naming is Naming.CODE and profile.n_distinct <= _FEW_CODES:
        return _Proposal(Role.FEATURE, f"code of a category ({_values(profile)})", Kind.CATEGORICAL)
    return _entity(profile)


def _text(profile: Profile) -> _Proposal:
    wordy = profile.words_per_cell > 1.5 or profile.characters_per_cell > 40
    naming = names.identifier(profile.name)
    if wordy and profile.is_nearly_unique and naming not in (Naming.RECORD, Naming.ENTITY):
        naming = None  # what somebody wrote as reference
    identified = _identifier(profile, naming) if naming else None
    if identified:
        return identified
    if not profile.is_small:
        if profile.is_nearly_unique and (profile.is_hashed or not wordy):
            return _names_record(profile, naming)
        if profile.is_hashed or (profile.is_coded and profile.n_distinct > _FEW_CODES):
            return _entity(profile)
    many_phrases = wordy and profile.n_distinct > _MANY_PHRASES
    if many_phrases or (profile.share_distinct > 0.5 and (wordy or not profile.is_small)):
        return _Proposal(Role.FEATURE, f"free text ({_values(profile)})", Kind.TEXT)
    return _Proposal(Role.FEATURE, _constant(profile) or f"category ({_values(profile)})")


def _time_like(profile: Profile, clock: np.ndarray | None) -> str | None:
    """How a number grows with time or with the order of the rows; None if it does not.

    With fewer than 30 rows only a strictly growing column with the name of a clock counts. A measurement by which the
    rows happen to be sorted is no clock: growing with the order counts for clocks by name, for whole numbers that
    hardly repeat, and for steps of nearly one size.
    """
    values, named = profile.floats, names.is_time_like(profile.name)
    if names.is_cycle(profile.name):
        return None
    if profile.is_small:
        return "strictly growing and so named" if named and is_strict(values) else None
    if clock is not None and grows_with(values, clock):
        return "grows with the time of the records"
    ticks = named or (profile.is_integral and profile.share_distinct > 0.9) or has_regular_steps(values)
    return "grows with the order of the records" if ticks and _is_sorted(profile) else None


def _is_sorted(profile: Profile) -> bool:
    return grows_with(profile.floats, np.arange(len(profile.floats), dtype=float))


def _names_record(profile: Profile, naming: Naming | None) -> _Proposal:
    unique = "unique" if profile.is_unique else f"nearly unique ({profile.n_distinct:,} of {len(profile.present):,})"
    return _Proposal(Role.IGNORE, f"id-like: {unique}", key_rank=2 * _KEY_RANKS[naming] + profile.is_unique)


def _entity(profile: Profile) -> _Proposal:
    return _Proposal(Role.ENTITY, f"names whom the record is about ({_values(profile)})", Kind.CATEGORICAL)


def _is_coded(profile: Profile) -> bool:
    return pa.types.is_string(profile.reading.values.type) and profile.is_coded


def _column(profile: Profile, proposal: _Proposal, is_key: bool) -> Column:
    reading = profile.reading
    role, reason = (Role.KEY, f"{proposal.reason}; names the record") if is_key else (proposal.role, proposal.reason)
    kind = proposal.kind or reading.kind or Kind.CATEGORICAL
    # An identifier among whose cells some were missing comes as 12.0 from pandas.
    whole = role in (Role.KEY, Role.ENTITY) and reading.type == "double"
    column = Column(profile.name, kind, "int64" if whole else reading.type, role, reason, size=reading.size,
                    date_order=reading.date_order)
    return replace(column, type=str(arrow_type(column) or column.type))


def _constant(profile: Profile) -> str:
    return "constant: one value in all rows" if profile.is_constant else ""


def _values(profile: Profile) -> str:
    return f"{profile.n_distinct:,} value{'s' if profile.n_distinct != 1 else ''}"


def _and(reason: str, note: str) -> str:
    return "; ".join(part for part in (reason, note) if part)
