"""How values are written: one way for numbers, times and rates; and record content made harmless as text."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from anomaly_cl.detectors.clauses import number
from anomaly_cl.detectors.differing import is_missing, is_number, moment

MISSING = "–"
THIN = "\N{NARROW NO-BREAK SPACE}"
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
LONGEST = 200  # characters of one cell


def count(number: int | float) -> str:
    """A whole number with separators: 20,014."""
    return f"{number:,.0f}"


def plural(number: int, what: str) -> str:
    """A number of things: 1 alert, 1,234 alerts."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def risk(value: float) -> str:
    return f"{value:.1f}"


def p_value(value: float) -> str:
    """Two significant digits: 1.2e-04."""
    return f"{value:.1e}"


def percent(share: float) -> str:
    """A share of 1 with as many digits as it needs: 61 %, 2.4 %, 0.013 %."""
    return f"{100 * share:.2g}{THIN}%" if share < 0.1 else f"{100 * share:.0f}{THIN}%"


def one_in(rate: float) -> str:
    """A rate as people say it: 1 in 1,000."""
    whole = 1 / rate
    if whole < 10:
        return f"1 in {whole:.2g}"
    scale = 10.0 ** (math.floor(math.log10(whole)) - 1)
    return f"1 in {round(whole / scale) * scale:,.0f}"


def when(moment: datetime | None) -> str:
    return MISSING if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def cell(value: Any, *, name: bool = False) -> str:
    """Any value of a record as short plain text; names (keys, entities) keep their digits as they are."""
    if is_missing(value):
        return MISSING
    if is_number(value):
        return str(value) if name else number(value)
    if (time := moment(value)) is not None:
        return f"{time:%Y-%m-%d %H:%M:%S}" if time.second else when(time)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def told(text: str | None) -> str:
    """A value that was stored as text, as in reasons: written as a number if it is one."""
    if text is None:
        return "missing"
    try:
        value = float(text)
    except ValueError:
        return cell(text)
    return number(int(value) if value.is_integer() and abs(value) < 1e15 else value)


def values(entities: Mapping[str, Any]) -> str:
    """The entities' values alone, for narrow columns; missing ones are left out."""
    return " · ".join(cell(value, name=True) for value in entities.values() if value is not None)


def names(entities: Mapping[str, Any]) -> str:
    """Entities in one line: customer C-4961 · terminal T-341."""
    return " · ".join(f"{column} {cell(value, name=True)}" for column, value in entities.items())


def why(reasons: Sequence[Mapping[str, Any]], most: int = 2) -> str:
    """The strongest reasons in one line: amount 4,310.25 (typically 52); hour 03:12 (typically 13:40)."""
    return "; ".join(f"{reason['column']} {told(reason['value'])} (typically {told(reason['typical'])})"
                     for reason in reasons[:most])


def money(value: float) -> str:
    """An amount with two decimals, so that amounts under each other compare: 4,310.25."""
    return f"{value:,.2f}"


def age(since: datetime, now: datetime) -> str:
    """How long ago, in its largest unit: 3 d; under an hour in minutes."""
    minutes = max((now - since).total_seconds() // 60, 0)
    for unit, length in (("d", 1440), ("h", 60)):
        if minutes >= length:
            return f"{minutes // length:,.0f}{THIN}{unit}"
    return f"{minutes:.0f}{THIN}min"


def in_html(text: str) -> str:
    """Plain text for HTML and for labels of plotly, which reads tags too."""
    return html.escape(text)


def in_markdown(text: str) -> str:
    """Plain text for labels that Streamlit reads as Markdown."""
    return MARKDOWN.sub(r"\\\1", text.replace("\n", " "))
