"""The page's address holds its settings: filters, page and case survive a reload and can be sent to a colleague."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import streamlit as st
from filters import ASSIGNEES, ORDERS, STATES, VIEWS, Filters

ALL = "all"
LISTED = "open"  # the state that is listed where the address names none: what is still to be done


def tied(name: str, value: Any, written: Callable[[Any], str] = str) -> dict[str, Any]:
    """Arguments that tie a widget to a query parameter: it shows `value`, and a change is written to the address.

    `written` gives the parameter's text, empty to leave it out. A changed filter returns to the list's first page.
    """
    key = f"address_{name}"
    st.session_state[key] = value
    return {"key": key, "on_change": _write, "args": (name, key, written)}


def _write(name: str, key: str, written: Callable[[Any], str]) -> None:
    if name != "page":
        st.query_params.pop("page", None)
    value = st.session_state[key]
    text = "" if value is None else written(value)
    if text:
        st.query_params[name] = text
    else:
        st.query_params.pop(name, None)


def unless(default: Any) -> Callable[[Any], str]:
    """A way of writing that leaves out the default."""
    return lambda value: "" if value == default else f"{value:g}" if isinstance(value, float) else str(value)


def filters(parameters: Mapping[str, str]) -> Filters:
    """The queue's filters in an address, of open cases unless it says else; what cannot be read is left out."""
    view = next((view for view in VIEWS if view == parameters.get("view")), VIEWS[0])
    state = parameters.get("state", LISTED)
    return Filters(
        view=view,
        run=parameters.get("run") or None,
        state=None if state == ALL else _one_of(STATES[view], state) or LISTED,
        assignee=_one_of(ASSIGNEES, parameters.get("assignee")),
        min_risk=min(max(_number(parameters.get("min_risk")), 0.0), 100.0),
        text=parameters.get("text", ""),
        since=_date(parameters.get("since")),
        until=_date(parameters.get("until")),
        order=_one_of(ORDERS, parameters.get("order")) or ORDERS[0],
    )


def parameters(kept: Filters) -> dict[str, str]:
    """The same filters as query parameters, without those that are at their default."""
    values = {
        "view": kept.view if kept.view != VIEWS[0] else None, "run": kept.run,
        "state": (kept.state or ALL) if kept.state != LISTED else None, "assignee": kept.assignee,
        "min_risk": f"{kept.min_risk:g}" if kept.min_risk else None,
        "text": kept.text, "since": kept.since, "until": kept.until,
        "order": kept.order if kept.order != ORDERS[0] else None,
    }
    return {name: str(value) for name, value in values.items() if value}


def page_number(parameters: Mapping[str, str]) -> int:
    """The list's page, from 1."""
    return max(1, int(_number(parameters.get("page"))))


def _one_of(options: tuple[str, ...], value: str | None) -> str | None:
    return value if value in options else None


def _number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
