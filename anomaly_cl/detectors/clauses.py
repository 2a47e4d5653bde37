"""What a column has, and what it would usually have, as clauses of a plain sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from anomaly_cl.detectors.differing import is_missing, is_number
from anomaly_cl.detectors.explanation import Clause

LONGEST = 60  # characters of a text value
MOST_CLAUSES = 3
RATIO = 1.5  # from which a number is told as a multiple of the usual one
WEAK = 0.1  # of the strongest contribution: weaker ones are not worth a clause
OTHERWISE_ALIKE = "records otherwise alike"


def number(value: float) -> str:
    """Six significant digits or all whole ones, with separators.

    >>> number(4310.25), number(0.00012), number(1.2e-7), number(20014)
    ('4,310.25', '0.00012', '1.2e-07', '20,014')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3g}"
    decimals = max(0, 5 - math.floor(math.log10(abs(value)))) if value else 0
    written = f"{value:,.{decimals}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def told(value: Any) -> str:
    """A value in a sentence: numbers with separators, of a time the hour and the weekday, a text on one short line.

    >>> told("GREEN\\nGROCER"), told(datetime(2026, 3, 2, 3, 12)), told(None)
    ('GREEN GROCER', '03:12 on Mon', 'none')
    """
    if is_missing(value):
        return "none"
    if isinstance(value, datetime):
        return format(value, "%H:%M on %a")
    if is_number(value):
        return number(value)
    if isinstance(value, list):
        return f"a vector of {len(value)} numbers"
    return printable(str(value))


def printable(text: str) -> str:
    """A text on one short line, without characters that cannot be printed: data may hold anything."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[:LONGEST - 1] + "…"


def rounded(value: Any) -> Any:
    """What is usual to three significant digits, whole ones kept.

    >>> rounded(97.1526), rounded(12345.6), rounded("DE")
    (97.2, 12346.0, 'DE')
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(round(value)) if abs(value) >= 100 else float(f"{value:.3g}")


def ratio(value: Any, usual: Any) -> str | None:
    """How many times the usual amount an amount is, where both are positive and far apart.

    >>> ratio(4310.0, 52.0), ratio(20.0, 52.0), ratio(55.0, 52.0), ratio(-3.0, 52.0)
    ('83 times', '0.38 times', None, None)
    """
    if not (is_number(value) and is_number(usual)) or value <= 0 or usual <= 0:
        return None
    times = value / usual
    if 1 / RATIO < times < RATIO or not math.isfinite(times) or not times:
        return None
    return f"{number(float(f'{times:.2g}'))} times" if times < 100 else f"{times:,.0f} times"


def clause(column: str, value: Any, typical: Any) -> str:
    """A cell, and what records otherwise alike have there.

    >>> clause("country", "BY", "DE")
    'country BY, where records otherwise alike have DE'
    >>> clause("amount", 4310.0, 52.0)
    'amount 4,310 is 83 times what records otherwise alike have (52)'
    """
    name, typical = printable(column), rounded(typical)
    if (times := ratio(value, typical)) is not None:
        return f"{name} {told(value)} is {times} what {OTHERWISE_ALIKE} have ({told(typical)})"
    if is_missing(value):
        return f"no value of {name}, where {OTHERWISE_ALIKE} have {told(typical)}"
    if isinstance(value, datetime):
        return f"{name} at {told(value)}, where {OTHERWISE_ALIKE} have {told(typical)}"
    if isinstance(value, list):
        return f"{name} unlike that of {OTHERWISE_ALIKE}"
    return f"{name} {told(value)}, where {OTHERWISE_ALIKE} have {told(typical)}"


def change_in_words(column: str, value: Any, to: Any) -> str:
    """A cell as it would have to be.

    >>> change_in_words("amount", 4310.0, 52.0)
    'amount 52 rather than 4,310'
    """
    if isinstance(value, list) or isinstance(to, list):
        return f"{printable(column)} of another normal record"
    return f"{printable(column)} {told(rounded(to))} rather than {told(value)}"


def worth_telling(clauses: Sequence[tuple[float, Clause]], unusual: bool) -> tuple[Clause, ...]:
    """At most three clauses, strongest first, given each with its contribution; one of a row that is not unusual."""
    kept = [clause for nats, clause in clauses if nats > WEAK * clauses[0][0]]
    return tuple(kept[:MOST_CLAUSES if unusual else 1])


def sentence(clauses: Sequence[Clause], unusual: bool, p_value: float, records: str = "records") -> str:
    """The clauses together; of a row that is not unusual, what is least usual. Rows are called `records`.

    >>> sentence([Clause("amount", "amount 9"), Clause("country", "country BY")], True, 0.001)
    'amount 9; country BY'
    >>> sentence([Clause("amount", "amount 9")], False, 0.4)
    'Not unusual: of 1,000 normal records 400 look at least as odd; least usual is amount 9'
    """
    kept = [clause.text for clause in clauses]
    if unusual:
        return "; ".join(kept) if kept else "no column by itself is unusual, their combination is"
    often = f"of 1,000 normal {records} {1_000 * p_value:,.0f} look at least as odd"
    return f"Not unusual: {often}" + (f"; least usual is {kept[0]}" if kept else "")
