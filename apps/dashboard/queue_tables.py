"""The tables of the queue: a line a case or an alert. A tick selects a row, a click opens it, a head sorts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import formats
import palette
import pandas as pd
import streamlit as st
from filters import Filters
from queries import AlertLine, CaseLine

ROW_HEIGHT = 36
VERDICT_COLOURS = {"Open": "gray", "Fraud": palette.VERMILLION, "Legitimate": palette.GREEN, "Unsure": palette.ORANGE}
STATE_COLOURS = {"New": palette.BLUE, "In review": palette.ORANGE, "Closed": "gray", "Suppressed": "gray"}
ORDER_OF = {"Risk": "risk", "Amount": "amount", "When": "newest", "Last record": "newest", "Age": "oldest"}
TURN = "queue_turn"  # counts what was decided, so that a table begins without ticks afterwards
TICKED = "queue_ticked"
Line = TypeVar("Line", CaseLine, AlertLine)


def key(lines: Sequence[CaseLine | AlertLine], kept: Filters) -> str:
    """The table's key: another for other rows, so that a click is never taken for one on the row that came there."""
    shown = "\n".join([str(kept), *(str(line.id) for line in lines)])
    return f"list_{hashlib.sha256(shown.encode()).hexdigest()[:16]}_{st.session_state.get(TURN, 0)}"


def tick(lines: Sequence[CaseLine | AlertLine], rows: Sequence[int]) -> None:
    """Keep which rows are ticked, with the versions that stood there when they were."""
    before = st.session_state.get(TICKED, {})
    st.session_state[TICKED] = {lines[row].id: before.get(lines[row].id, lines[row].version) for row in rows}


def tick_again(lines: Sequence[CaseLine | AlertLine]) -> None:
    """Take the ticked rows as they are shown now."""
    before = st.session_state.get(TICKED, {})
    st.session_state[TICKED] = {line.id: line.version for line in lines if line.id in before}


def ticked(lines: Sequence[Line]) -> list[Line]:
    """The rows that are ticked, with the versions that stood there when they were."""
    versions = st.session_state.get(TICKED, {})
    return [replace(line, version=versions[line.id]) for line in lines if line.id in versions]


def untick() -> None:
    """Begin a new table, without ticks."""
    st.session_state[TICKED] = {}
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def draw(lines: Sequence[CaseLine] | Sequence[AlertLine], table: str, choose: Callable[[], None]) -> None:
    """The lines as a table of this key; `choose` is called when something in it was clicked."""
    of_cases, chosen = isinstance(lines[0], CaseLine), st.session_state.get(TICKED, {})
    frame = _of_cases(lines) if of_cases else of_alerts(lines)  # type: ignore[arg-type]
    st.dataframe(
        frame, hide_index=True, height=ROW_HEIGHT * (len(lines) + 1) + 2, row_height=ROW_HEIGHT, key=table,
        on_select=choose, selection_mode=["multi-row", "single-cell", "single-column"],
        selection_default={"selection": {"rows": [place for place, line in enumerate(lines) if line.id in chosen]}},
        alt=f"{'Cases' if of_cases else 'Alerts'}; click one to open it, tick several to decide them together",
        column_config={name: column for name, column in columns(of_cases).items() if name in frame},
    )


def _of_cases(lines: Sequence[CaseLine]) -> pd.DataFrame:
    now = datetime.now(UTC).replace(tzinfo=None)
    frame = pd.DataFrame({
        "Risk": [line.risk for line in lines],
        "Who": [line.title for line in lines],
        "Alerts": [f"{formats.count(line.alerts_open)} / {formats.count(line.alerts_shown)}" for line in lines],
        "Amount": [amount(line.amount) for line in lines],
        "Age": [formats.age(line.opened_at, now) for line in lines],
        "Last record": [formats.when(line.last_at) for line in lines],
        "Why": [formats.why(line.riskiest.reasons) if line.riskiest else "" for line in lines],
        "State": [[line.state.capitalize() if line.alerts_shown else "Suppressed"] for line in lines],
        "Verdict": [[line.verdict.capitalize()] if line.verdict else [] for line in lines],
        "Assignee": [line.assignee or "" for line in lines],
    })
    return _without_empty(frame, {"Amount": all(line.amount is None for line in lines),
                                  "Last record": all(line.last_at is None for line in lines)})


def of_alerts(lines: Sequence[AlertLine]) -> pd.DataFrame:
    frame = pd.DataFrame({
        "Risk": [line.risk for line in lines],
        "Record": [line.title for line in lines],
        "Who": [formats.values(line.entities) for line in lines],
        "When": [formats.when(line.occurred_at) for line in lines],
        "Amount": [amount(line.amount) for line in lines],
        "Why": [formats.why(line.reasons) for line in lines],
        "Verdict": [[(line.verdict or "open").capitalize()] for line in lines],
    })
    return _without_empty(frame, {"Amount": all(line.amount is None for line in lines),
                                  "When": all(line.occurred_at is None for line in lines)})


def _without_empty(frame: pd.DataFrame, empty: dict[str, bool]) -> pd.DataFrame:
    return frame.drop(columns=[name for name, has_nothing in empty.items() if has_nothing])


def amount(amount: float | None) -> str:
    return formats.MISSING if amount is None else formats.money(amount)


def columns(of_cases: bool) -> dict[str, object]:
    column = st.column_config
    return {
        "Risk": column.ProgressColumn(format="%.1f", min_value=0, max_value=100, width=95, color="primary"),
        "Record": column.TextColumn(width=120),
        "Who": column.TextColumn(width=140 if of_cases else 200),
        "When": column.TextColumn(width=128),
        "Alerts": column.TextColumn(width=66, alignment="right", help="Open alerts of all."),
        "Amount": column.TextColumn(width=92, alignment="right"),
        "Age": column.TextColumn(width=58, alignment="right", help="Since the case was opened."),
        "Last record": column.TextColumn(width=128),
        "Why": column.TextColumn(width=250 if of_cases else 380),
        "State": column.MultiselectColumn(width=96, options=list(STATE_COLOURS), color=list(STATE_COLOURS.values())),
        "Verdict": column.MultiselectColumn(width=100, options=list(VERDICT_COLOURS),
                                            color=list(VERDICT_COLOURS.values())),
        "Assignee": column.TextColumn(width=88),
    }
