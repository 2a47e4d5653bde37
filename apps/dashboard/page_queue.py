"""Queue: the cases, or the alerts, that the filters keep, a page at a time; several can be decided at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import address
import formats
import login
import outcome
import page_names
import queries
import queue_actions
import queue_tables
import states
import store
import streamlit as st
from access import Actor
from address import ALL
from filters import ASSIGNEES, ORDERS, STATES, SUPPRESSED, VIEWS, Filters
from queries import PAGE_SIZE, AlertLine, CaseLine, RunLine

ORDER_NAMES = {"risk": "Highest risk", "amount": "Highest amount", "newest": "Newest", "oldest": "Oldest"}
ASSIGNEE_NAMES = {ALL: "Anyone", "mine": "Me", "nobody": "Nobody"}
CHOSEN = "queue_chosen"  # what a click asked for, until the page acts on it


def show() -> None:
    alerts, actor = store.opened(), login.actor()
    engine = alerts.engine
    runs = {run.id: run for run in queries.runs(engine)}
    kept = address.filters(st.query_params)
    kept = kept if kept.run in runs else replace(kept, run=None)
    _follow(kept)
    with st.spinner("Reading the alert store …"):
        counts = queries.counts(engine, actor, kept)
        total = counts[kept.state]
        pages = max(1, math.ceil(total / PAGE_SIZE))
        page = min(address.page_number(st.query_params), pages)
        read = queries.cases if kept.view == "cases" else queries.alerts
        lines: Sequence[CaseLine] | Sequence[AlertLine] = read(engine, actor, kept, page)
    _head(alerts.engine, actor, kept, page, total)
    _ask(kept, runs, counts)
    stale = outcome.tell(partial(queue_tables.tick_again, lines))
    if not lines:
        _say_nothing_is_left(kept, counts)
        return
    key = queue_tables.key(lines, kept)
    _above(actor, kept, lines, stale)
    queue_tables.draw(lines, key, partial(_choose, kept, lines, key))
    if pages > 1:
        st.pagination(pages, **address.tied("page", page, address.unless(1)))


def _head(engine: queries.Engine, actor: Actor, kept: Filters, page: int, total: int) -> None:
    first, last = PAGE_SIZE * (page - 1) + 1, min(PAGE_SIZE * page, total)
    shown = f"{formats.count(first)} to {formats.count(last)} of {formats.count(total)} {kept.view}" if total else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(f"<div class='head'><h1>Queue</h1><span class='about'>{shown}</span></div>", width="content")
        st.segmented_control(
            "What is listed", VIEWS, format_func=str.capitalize, required=True, label_visibility="collapsed",
            width="content", **address.tied("view", kept.view, address.unless(VIEWS[0])))
        st.space("stretch")
        queue_actions.saved_filters(engine, actor, kept)
        queue_actions.suppressions(engine, actor)
        queue_actions.export(engine, actor, kept, total)


def _ask(kept: Filters, runs: dict[str, RunLine], counts: dict[str | None, int]) -> None:
    run, text, risk, since, until, whose, order = st.columns([2.6, 2.6, 1.5, 1.7, 1.7, 1.3, 1.7],
                                                             vertical_alignment="bottom")
    run.selectbox(
        "Run", [ALL, *runs], format_func=lambda one: "All runs" if one == ALL else _run_name(runs[one]),
        **address.tied("run", kept.run or ALL, address.unless(ALL)),
    )
    text.text_input("Search key or entity", placeholder="for example C-4961", icon=":material/search:",
                    **address.tied("text", kept.text))
    risk.number_input("Minimum risk", 0.0, 100.0, step=5.0, format="%.1f",
                      **address.tied("min_risk", kept.min_risk, address.unless(0.0)))
    since.date_input("From", format="YYYY-MM-DD", min_value="1970-01-01", **address.tied("since", kept.since))
    until.date_input("To", format="YYYY-MM-DD", min_value="1970-01-01", **address.tied("until", kept.until))
    whose.selectbox("Assigned to", [ALL, *ASSIGNEES], format_func=ASSIGNEE_NAMES.__getitem__,
                    **address.tied("assignee", kept.assignee or ALL, address.unless(ALL)))
    order.selectbox("Order", ORDERS, format_func=ORDER_NAMES.__getitem__,
                    **address.tied("order", kept.order, address.unless(ORDERS[0])))
    held = {**{state: counts[state] for state in STATES[kept.view]}, ALL: counts[None]}
    st.segmented_control(
        "State", list(held), format_func=lambda state: f"{state.capitalize()}  {formats.count(held[state])}",
        required=True, label_visibility="collapsed",
        **address.tied("state", kept.state or ALL, address.unless(address.LISTED)),
    )


def _run_name(run: RunLine) -> str:
    return f"{run.created_at:%d %b %H:%M} · {run.input_name}"


def _say_nothing_is_left(kept: Filters, counts: dict[str | None, int]) -> None:
    if kept.state == "open" and counts[None] and kept == Filters(view=kept.view, state="open", order=kept.order):
        states.say("Everything is decided", f"No {kept.view[:-1]} is open. Choose another state above to look back.")
    elif kept.state == SUPPRESSED:
        states.say("Nothing is suppressed", f"No suppression hides {_a(kept)} that meets these filters.")
    else:
        states.say(f"No {kept.view[:-1]} meets these filters",
                   "Choose another state, lower the minimum risk, widen the dates, or clear the search.")


def _a(kept: Filters) -> str:
    return "a case" if kept.view == "cases" else "an alert"


def _above(actor: Actor, kept: Filters, lines: Sequence[CaseLine | AlertLine], stale: bool) -> None:
    """The row over the table: what to do with the ticked rows, and where to begin."""
    if actor.may("analyst") and kept.state != SUPPRESSED:
        queue_actions.bulk(lines, partial(_open_first, lines), stale)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Click a row to open it, or a head to sort by it.", width="content")
        st.space("stretch")
        st.button("Open the first", icon=":material/play_arrow:", shortcut="J", on_click=_open_first, args=(lines,))


def _choose(kept: Filters, lines: Sequence[CaseLine | AlertLine], key: str) -> None:
    """Take down what was clicked, by the rows as they were shown: the list may be another when it is read again."""
    selection = st.session_state[key].selection
    queue_tables.tick(lines, selection.rows)
    order = queue_tables.ORDER_OF.get(next(iter(selection.columns), ""))
    if order and order != kept.order:
        # A click on a head sorts in the database: sorting the shown page alone would mislead.
        st.query_params.from_dict(address.parameters(replace(kept, order=order)))
    if selection.cells:
        st.session_state[CHOSEN] = lines[selection.cells[0][0]]


def _open_first(lines: Sequence[CaseLine | AlertLine]) -> None:
    st.session_state[CHOSEN] = (queue_tables.ticked(lines) or lines)[0]


def _follow(kept: Filters) -> None:
    """Go where a click led."""
    chosen = st.session_state.pop(CHOSEN, None)
    if chosen is not None:
        named = {"case": str(chosen.id)} if isinstance(chosen, CaseLine) else {
            "case": str(chosen.case_id), "alert": chosen.id}
        st.switch_page(page_names.CASE, query_params={**address.parameters(kept), **named})


show()
