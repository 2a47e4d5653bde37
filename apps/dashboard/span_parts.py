"""One alerted span: its steps at full resolution, what each channel adds, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import charts
import decisions
import formats
import outcome
import page_names
import pandas as pd
import queue_tables
import series_chart
import streamlit as st
from access import Actor, needed
from series_queries import Span, SpanDetails

from anomaly_cl.alerts.models import VERDICTS
from anomaly_cl.alerts.store import AlertStore

LONGEST_NOTE = 2_000
MOST_LISTED = 8  # rows without scrolling
TURN = "span_turn"  # counts what was written, so that the note is empty afterwards
ICONS = {"fraud": ":material/gpp_bad:", "legitimate": ":material/verified_user:", "unsure": ":material/help:"}


def listed(spans: Sequence[Span], key: str, choose: Callable[[str], None]) -> None:
    """The spans in the order of time; a click on a row chooses one."""
    table = pd.DataFrame({
        "Risk": [span.risk for span in spans],
        "From": [formats.when(span.start) for span in spans],
        "To": [formats.when(span.end) for span in spans],
        "Why": [formats.why(span.reasons) for span in spans],
        "Verdict": [[(span.verdict or "open").capitalize()] for span in spans],
    })

    def clicked() -> None:
        cells = st.session_state[key].selection.cells
        if cells:
            choose(spans[cells[0][0]].id)

    columns = queue_tables.columns(of_cases=False)
    st.dataframe(
        table, hide_index=True, row_height=queue_tables.ROW_HEIGHT, on_select=clicked, selection_mode="single-cell",
        height=queue_tables.ROW_HEIGHT * (min(len(spans), MOST_LISTED) + 1) + 2, key=key,
        alt="Alerted spans; click one to show it",
        column_config={name: column for name, column in columns.items() if name in table})


def show(actor: Actor, span: SpanDetails) -> None:
    """The head, the steps beside what each channel adds, and the form."""
    stale = outcome.tell()
    _head(span)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.markdown("##### At full resolution")
        if span.signal and span.signal.get("time") and span.signal.get("channels"):
            st.plotly_chart(series_chart.detail(span.signal, span), config=charts.CONFIG, key=f"detail_{span.id}")
            shown, kept = len(series_chart.strongest(span.signal, span)), len(span.signal["channels"])
            most = f"The {shown} strongest of {kept} channels. " if shown < kept else ""
            st.caption(f"{most}Drag to look closer, double click for all.")
        else:
            st.caption("The store keeps no steps of this span.")
    with right.container(border=True, height="stretch"):
        st.markdown("##### What each channel adds")
        if span.reasons:
            st.plotly_chart(charts.reason_bars(span.reasons), config=charts.CONFIG, key=f"reasons_{span.id}")
        _form(actor, span, stale)


def _head(span: SpanDetails) -> None:
    verdict = span.verdict or "open"
    steps = f" · {formats.plural(span.steps, 'step')}" if span.steps else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(f"<div class='head'><b>{formats.in_html(formats.when(span.start))} to "
                f"{formats.in_html(formats.when(span.end))}</b>"
                f"<span class='risk'>risk {formats.risk(span.risk)}</span>"
                f"<span class='verdict {formats.in_html(verdict)}'>{formats.in_html(verdict)}</span>"
                f"<span class='about'>p-value {formats.p_value(span.p_value)}{formats.in_html(steps)}</span></div>",
                width="content")
        st.space("stretch")
        st.page_link(page_names.CASE, label="Open the case", icon=":material/arrow_forward:",
                     query_params={"case": str(span.case_id), "alert": span.id})


def _form(actor: Actor, span: SpanDetails, stale: bool) -> None:
    may, turn = actor.may("analyst"), st.session_state.get(TURN, 0)
    st.markdown("##### Your verdict")
    if not may:
        st.caption(f"{formats.in_markdown(needed('analyst', 'giving a verdict').capitalize())}; you read.")
    key = f"span_note_{span.id}_{turn}"
    with st.form(f"span_{span.id}_{turn}", border=False, enter_to_submit=False):
        st.text_area("Note", placeholder="What did you find out?", max_chars=LONGEST_NOTE, height=84, disabled=not may,
                     key=key)
        for verdict, cell in zip(VERDICTS, st.columns(len(VERDICTS), gap="small"), strict=True):
            cell.form_submit_button(
                verdict.capitalize(), icon=ICONS[verdict], width="stretch", disabled=stale or not may,
                type="primary" if verdict == span.verdict else "secondary", on_click=_decide, args=(span, verdict, key))


def _decide(span: SpanDetails, verdict: str, key: str) -> None:
    note = st.session_state[key].strip()
    versions = {span.case_id: span.version}

    def written(store: AlertStore, actor: Actor) -> str:
        decisions.decide(store, actor, [span.id], verdict, reason="", note=note, versions=versions)
        return f"Recorded: {verdict}"

    if outcome.write(written, versions):
        st.session_state[TURN] = st.session_state.get(TURN, 0) + 1
