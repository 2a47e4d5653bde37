"""What an alert's explanation says, as the page shows it; see `anomaly_cl.detectors.explanation.Explanation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import formats
from masking import MASK

MOST_BARS = 8
Told = Mapping[str, Any] | None


def sentence(explanation: Told) -> str:
    """Why the record stands out, in one sentence; empty where there is none, or it is hidden."""
    return _shown((explanation or {}).get("sentence"))


def contributions(explanation: Told) -> list[Mapping[str, Any]]:
    """The columns by which the score falls most, strongest first; reasons have the same shape."""
    return list((explanation or {}).get("contributions") or [])[:MOST_BARS]


def pairs(explanation: Told) -> str:
    """Columns that explain more together than each does alone."""
    found = (explanation or {}).get("pairs") or []
    told = [f"{formats.cell(pair['a'])} and {formats.cell(pair['b'])} ({pair['contribution']:.1f})" for pair in found]
    return f"Together the score falls more: {', '.join(told)}." if told else ""


def counterfactual(explanation: Told) -> str:
    """What would have to be otherwise for the record not to be flagged."""
    told = (explanation or {}).get("counterfactual")
    if not told:
        return ""
    return _shown(told.get("sentence")) or f"It would be ordinary if {_columns(told['changes'])} were otherwise."


def _columns(changes: list[Mapping[str, Any]]) -> str:
    return " and ".join(formats.cell(change["column"]) for change in changes)


def _shown(text: Any) -> str:
    return "" if text in (None, MASK) else str(text)
