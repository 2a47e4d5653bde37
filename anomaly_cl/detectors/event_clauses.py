"""Deviations of a record from its entity's past, as clauses of a plain sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomaly_cl.detectors.clauses import printable, ratio, rounded, told
from anomaly_cl.detectors.differing import is_missing
from anomaly_cl.features.deviation_kinds import Deviation


def noun(column: str) -> str:
    """What a column of names is about.

    >>> noun("customer_id"), noun("TERMINAL_ID"), noun("merchant category")
    ('customer', 'terminal', 'merchant category')
    """
    words = printable(column).replace("_", " ")
    words = words.lower() if words.isupper() else words
    return words.removesuffix(" id") or words


def clause_of(
    deviation: Deviation, record: Mapping[str, Any], expected: float | None, value: str | None, typical: str | None
) -> str:
    """A deviation as a clause, given the record, what was expected, and both as `in_words` tells them."""
    whose = f"this {noun(deviation.entity)}"
    about = "" if deviation.about is None else deviation.about
    if deviation.kind == "amount":
        amount, usual = record[about], rounded(expected)
        if (times := ratio(amount, usual)) is not None:
            return f"{printable(about)} {told(amount)} is {times} {whose}'s usual ({told(usual)})"
        return f"{printable(about)} {told(amount)}, where {whose}'s usual is {told(usual)}"
    if deviation.kind == "gap":
        return f"{value} after the last record of {whose}, usually {typical}"
    if deviation.kind == "hour":
        return f"at {value}, where records of {whose} are {typical}"
    if deviation.kind == "activity":
        return f"{_counted(value)} of {whose} in {deviation.days} d, where {typical} are usual"
    what = f"no {noun(about)}" if is_missing(record[about]) else f"{noun(about)} {told(record[about])}"
    earlier = round(expected or 0)
    if not earlier:
        return f"a first record of {whose} with {what}"
    return f"only {earlier:,} earlier record{'s' if earlier > 1 else ''} of {whose} with {what}"


def change_of(
    deviation: Deviation, record: Mapping[str, Any], value: str | None, to: str | None, usual: str | None,
    amount: float,
) -> str:
    """A changed deviation in words: `value` and `to` as `in_words` tells them, the usual one, and the new amount."""
    whose = f"this {noun(deviation.entity)}"
    about = "" if deviation.about is None else deviation.about
    if deviation.kind == "amount":
        return f"{printable(about)} {told(rounded(amount))} rather than {told(record[about])}"
    if deviation.kind == "gap":
        return f"{to} since the last record of {whose} rather than {value}"
    if deviation.kind == "hour":
        return f"a time {usual} rather than {value}"
    if deviation.kind == "activity":
        return f"{_counted(to)} of {whose} in {deviation.days} d rather than {value}"
    return f"a {noun(about)} that {whose} often had before rather than {told(record[about])}"


def _counted(number: str | None) -> str:
    return f"{number} record{'' if number == '1' else 's'}"
