"""Queue: the alerts that the filters keep, a page at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import address
import formats
import page_names
import palette
import pandas as pd
import queries
import states
import store
import streamlit as st
from queries import ORDERS, PAGE_SIZE, STATES, AlertLine, Filters, RunLine, StateCounts

ALL = "all"
ORDER_NAMES = {"risk": "Highest risk", "newest": "Newest"}
STATE_COLOURS = {"Open": "gray", "Fraud": palette.VERMILLION, "Legitimate": palette.GREEN, "Unsure": palette.ORANGE}
ROW_HEIGHT = 36
REASONS_SHOWN = 2


def show() -> None:
    engine = store.opened().engine
    runs = {run.id: run for run in queries.runs(engine)}
    kept = address.filters(st.query_params)
    kept = kept if kept.run in runs else replace(kept, run=None)
    with st.spinner("Reading the alert store …"):
        counts = queries.state_counts(engine, replace(kept, state=None))
        total = getattr(counts, kept.state or "total")
        pages = max(1, math.ceil(total / PAGE_SIZE))
        page = min(address.page_number(st.query_params), pages)
        lines = queries.alerts(engine, kept, page)
    _head(page, total)
    _ask(kept, runs, counts)
    if not lines:
        states.say("No alert meets these filters", "Lower the minimum risk, widen the dates, or clear the search.")
        return
    _list(lines, kept, page)
    if pages > 1:
        st.pagination(pages, **address.tied("page", page, address.unless(1)))


def _head(page: int, total: int) -> None:
    first, last = PAGE_SIZE * (page - 1) + 1, min(PAGE_SIZE * page, total)
    shown = f"{formats.count(first)} to {formats.count(last)} of {formats.count(total)} alerts" if total else ""
    st.html(f"<div class='head'><h1>Queue</h1><span class='about'>{shown}</span></div>")


def _ask(kept: Filters, runs: dict[str, RunLine], counts: StateCounts) -> None:
    run, text, risk, since, until, order = st.columns([3, 3, 1.7, 1.9, 1.9, 1.9], vertical_alignment="bottom")
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
    order.selectbox("Order", ORDERS, format_func=ORDER_NAMES.__getitem__,
                    **address.tied("order", kept.order, address.unless(ORDERS[0])))
    held = {ALL: counts.total, **{state: getattr(counts, state) for state in STATES}}
    st.segmented_control(
        "State", list(held), format_func=lambda state: f"{state.capitalize()}  {formats.count(held[state])}",
        required=True, label_visibility="collapsed", **address.tied("state", kept.state or ALL, address.unless(ALL)),
    )


def _run_name(run: RunLine) -> str:
    return f"{run.created_at:%d %b %H:%M} · {run.input_name}"


def _list(lines: Sequence[AlertLine], kept: Filters, page: int) -> None:
    table = pd.DataFrame({
        "Risk": [line.risk for line in lines],
        "Record": [line.title for line in lines],
        "Who": [formats.values(line.entities) for line in lines],
        "When": [formats.when(line.occurred_at) for line in lines],
        "Why": [_why(line) for line in lines],
        "State": [[(line.verdict or "open").capitalize()] for line in lines],
    })
    if all(line.occurred_at is None for line in lines):
        table = table.drop(columns="When")
    chosen = st.dataframe(
        table, hide_index=True, height=ROW_HEIGHT * (len(lines) + 1) + 2, row_height=ROW_HEIGHT,
        on_select="rerun", selection_mode=["single-cell", "single-column"], alt="Alerts; click one to open its record",
        # Another page or order is another table: its selection must not be carried over.
        key=f"alerts_{page}_{kept}",
        column_config={
            "Risk": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100, width=110,
                                                    color="primary"),
            "Record": st.column_config.TextColumn(width=120),
            "Who": st.column_config.TextColumn(width=230),
            "When": st.column_config.TextColumn(width=130),
            "Why": st.column_config.TextColumn(width=420),
            "State": st.column_config.MultiselectColumn(width=110, options=list(STATE_COLOURS),
                                                     color=list(STATE_COLOURS.values())),
        },
    )
    # A click on a head sorts in the database: sorting the shown page alone would mislead.
    order = {"Risk": "risk", "When": "newest"}.get(next(iter(chosen.selection.columns), ""))
    if order and order != kept.order:
        st.query_params.from_dict(address.parameters(replace(kept, order=order)))
        st.rerun()
    if chosen.selection.cells:
        st.switch_page(page_names.RECORD, query_params={
            **address.parameters(kept), "alert": lines[chosen.selection.cells[0][0]].id})


def _why(line: AlertLine) -> str:
    told = [f"{reason['column']} {formats.told(reason['value'])} (typically {formats.told(reason['typical'])})"
            for reason in line.reasons[:REASONS_SHOWN]]
    return "; ".join(told)


show()
