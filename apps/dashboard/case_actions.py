"""What can be done with a case: a verdict on one alert or on all open ones, its state, who has it, notes, suppression.

Each write is made by a callback, whose arguments are what the page showed: the version of the case that the person has
read, not the one that is newest when the button arrives. What was typed stays until it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import case_queries
import decisions
import formats
import login
import outcome
import streamlit as st
from access import Actor, needed
from case_queries import AlertDetails
from decisions import AlertStore
from queries import CaseLine

from anomaly_cl.alerts.models import VERDICT_REASONS, VERDICTS
from anomaly_cl.alerts.people import PERSON_LENGTH

LONGEST_NOTE = 2_000
LONGEST_REASON = 200
TURN = "case_turn"  # counts what was written, so that forms are empty afterwards
ONE, ALL_OPEN = "This alert", "All open alerts"
DAYS = (1, 7, 30, 90)
REASONS = list(dict.fromkeys(reason for verdict in VERDICTS for reason in VERDICT_REASONS[verdict]))


class Button(NamedTuple):
    """How a verdict is given: by its picture, or by its key."""

    icon: str
    key: str


BUTTONS = {
    "fraud": Button(":material/gpp_bad:", "F"), "legitimate": Button(":material/verified_user:", "L"),
    "unsure": Button(":material/help:", "U"),
}


def verdict_form(actor: Actor, case: CaseLine, alert: AlertDetails, open_ids: Sequence[str], stale: bool) -> None:
    """Ask for a verdict on this alert, or on all open ones of the case."""
    may, turn = actor.may("analyst"), _turn(case)
    if not may:
        st.caption(f"{formats.in_markdown(needed('analyst', 'giving a verdict').capitalize())}; you read.")
    others = len(set(open_ids) - {alert.id})
    with st.form(f"verdict_{turn}", border=False, enter_to_submit=False):
        if others:
            st.segmented_control(
                "On", [ONE, ALL_OPEN], default=ONE, required=True, key=_key("on", turn), label_visibility="collapsed",
                format_func=lambda on: on if on == ONE else f"{ALL_OPEN} ({formats.count(len(open_ids))})")
        st.selectbox("Reason", REASONS, index=None, placeholder="Choose one, or write your own", disabled=not may,
                     accept_new_options=True, key=_key("reason", turn))
        st.text_area("Note", placeholder="What did you find out?", max_chars=LONGEST_NOTE, height=84, disabled=not may,
                     key=_key("note", turn))
        if login.configured_providers() is None:
            st.text_input("Your name", value=st.session_state.get(outcome.AUTHOR, actor.name), disabled=not may,
                          max_chars=PERSON_LENGTH, key=_key("author", turn))
        for verdict, cell in zip(VERDICTS, st.columns(len(VERDICTS), gap="small"), strict=True):
            cell.form_submit_button(
                verdict.capitalize(), icon=BUTTONS[verdict].icon, width="stretch", shortcut=BUTTONS[verdict].key,
                type="primary" if verdict == alert.verdict else "secondary", disabled=stale or not may,
                on_click=_decide, args=(case, alert.id, list(open_ids), verdict, turn))


def _decide(case: CaseLine, alert_id: str, open_ids: list[str], verdict: str, turn: str) -> None:
    ids = open_ids if st.session_state.get(_key("on", turn)) == ALL_OPEN else [alert_id]
    reason = (st.session_state[_key("reason", turn)] or "").strip()[:LONGEST_REASON]
    note = st.session_state[_key("note", turn)].strip()
    if _key("author", turn) in st.session_state:
        st.session_state[outcome.AUTHOR] = st.session_state[_key("author", turn)]
        if not st.session_state[outcome.AUTHOR].strip():
            outcome.refuse("A verdict needs a name; write yours above the buttons.")
            return

    def doing(alerts: AlertStore, actor: Actor) -> str:
        number = decisions.decide(alerts, actor, ids, verdict, reason=reason, note=note,
                                  versions={case.id: case.version})
        return f"Recorded: {verdict}" + (f" on {formats.plural(number, 'alert')}" if number > 1 else "")

    _written(doing, case)


def toolbar(actor: Actor, case: CaseLine, alert: AlertDetails, stale: bool) -> None:
    """State, assignee, note and suppression, in a row."""
    off = stale or not actor.may("analyst")
    turn = _turn(case)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="toolbar"):
        for label, icon, state in _next_states(case.state):
            st.button(label, icon=icon, disabled=off, on_click=_set_state, args=(case, state), key=f"to_{state}")
        if case.assignee != actor.name:
            st.button("Assign to me", icon=":material/person_add:", disabled=off, shortcut="A", on_click=_assign,
                      args=(case, None, turn))
        with st.popover("Assign", key=f"assign_{turn}", icon=":material/group:", disabled=off):
            _ask_assignee(case, turn)
        with st.popover("Note", key=f"note_{turn}", icon=":material/edit_note:", disabled=off), st.form(
                f"note_form_{turn}", border=False, enter_to_submit=False):
            st.text_area("Note on the case", max_chars=LONGEST_NOTE, height=110, width=380, key=_key("case_note", turn))
            st.form_submit_button("Add note", icon=":material/add:", on_click=_add_note, args=(case, turn))
        with st.popover("Ignore …", key=f"ignore_{turn}", icon=":material/visibility_off:", disabled=off):
            _ask_suppression(case, alert, turn)


def _next_states(state: str) -> list[tuple[str, str, str]]:
    review = ("Start review", ":material/play_arrow:", "in review")
    close = ("Close case", ":material/task_alt:", "closed")
    return {"new": [review, close], "in review": [close],
            "closed": [("Reopen", ":material/undo:", "in review")]}[state]


def _set_state(case: CaseLine, state: str) -> None:
    def doing(alerts: AlertStore, actor: Actor) -> str:
        decisions.set_state(alerts, actor, case.id, state, version=case.version)
        return f"The case is {state}"

    _written(doing, case)


def _ask_assignee(case: CaseLine, turn: str) -> None:
    with st.form(f"assign_form_{turn}", border=False):
        st.text_input("Assign to", value=case.assignee or "", placeholder="name or e-mail address", width=320,
                      max_chars=PERSON_LENGTH, key=_key("assignee", turn), help="Empty: to nobody")
        st.form_submit_button("Assign", icon=":material/person:", on_click=_assign, args=(case, "assignee", turn))


def _assign(case: CaseLine, field: str | None, turn: str) -> None:
    def doing(alerts: AlertStore, actor: Actor) -> str:
        name = actor.name if field is None else st.session_state[_key(field, turn)].strip() or None
        decisions.assign(alerts, actor, case.id, name, version=case.version)
        return f"Assigned to {name or 'nobody'}"

    _written(doing, case)


def _add_note(case: CaseLine, turn: str) -> None:
    def doing(alerts: AlertStore, actor: Actor) -> str:
        decisions.add_note(alerts, actor, case.id, st.session_state[_key("case_note", turn)].strip(),
                           version=case.version)
        return "Note added"

    _written(doing, case)


def _ask_suppression(case: CaseLine, alert: AlertDetails, turn: str) -> None:
    """Offer the record's entities and its columns of categories: numbers, times and the key name one record only."""
    offered = case_queries.suppressible(alert)
    if not offered:
        st.caption("This record has no entity or category that you may see, by which alerts could be ignored.")
        return
    with st.form(f"suppress_form_{turn}", border=False):
        st.selectbox("Ignore alerts where", list(offered), key=_key("column", turn), width=380,
                     format_func=lambda column: f"{column} = {formats.cell(offered[column], name=True)}")
        st.segmented_control("For", DAYS, default=7, required=True, key=_key("days", turn),
                             format_func=lambda days: formats.plural(days, "day"))
        st.text_input("Reason", max_chars=LONGEST_REASON, key=_key("why", turn), width=380,
                      placeholder="Why may they be ignored?")
        st.caption("Open alerts with this value leave the queue, and new ones stay out until then. "
                   "The queue lists what is suppressed; it can be lifted there.", width=380)
        st.form_submit_button("Ignore them", icon=":material/visibility_off:", on_click=_suppress,
                              args=(case, offered, turn))


def _suppress(case: CaseLine, offered: Mapping[str, Any], turn: str) -> None:
    column, days = st.session_state[_key("column", turn)], st.session_state[_key("days", turn)]
    reason = st.session_state[_key("why", turn)].strip()

    def doing(alerts: AlertStore, actor: Actor) -> str:
        hidden = decisions.suppress(alerts, actor, column, offered[column], days=days, reason=reason)
        return f"{formats.plural(hidden, 'alert')} suppressed for {formats.plural(days, 'day')}"

    _written(doing, case)


def _written(doing: Callable[[AlertStore, Actor], str], case: CaseLine) -> None:
    if outcome.write(doing, {case.id: case.version}):
        st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def _turn(case: CaseLine) -> str:
    """Part of the forms' keys: what was typed belongs to its case, and is gone when it is written."""
    return f"{case.id}_{st.session_state.get(TURN, 0)}"


def _key(field: str, turn: str) -> str:
    return f"case_{field}_{turn}"
