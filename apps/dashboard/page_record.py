"""Record: why an alert stands out, what is normal, and what people decided."""

from __future__ import annotations

import getpass

import address
import charts
import comparison
import formats
import page_names
import queries
import states
import store
import streamlit as st
from queries import AlertDetails, Place, VerdictLine

from anomaly_cl.alerts.models import VERDICTS
from anomaly_cl.alerts.store import AlertStore

FEW_COLUMNS = 16  # shown at once; the others on request
LONGEST_NOTE, LONGEST_AUTHOR = 2_000, 100
ICONS = {"fraud": ":material/gpp_bad:", "legitimate": ":material/verified_user:", "unsure": ":material/help:"}


def show() -> None:
    alerts = store.opened()
    kept = address.filters(st.query_params)
    alert_id = st.query_params.get("alert", "")
    if not alert_id:
        first = queries.alerts(alerts.engine, kept, page_size=1)
        if not first:
            states.stop("No alert to show", "No alert of this store meets the filters.", to_queue=True)
        alert_id = st.query_params["alert"] = first[0].id
    alert = queries.alert(alerts.engine, alert_id)
    if alert is None:
        states.stop("This alert is not in the store",
                    "The address names an alert that this store does not hold.", to_queue=True)
    history = queries.verdicts(alerts.engine, alert_id)
    _walk(kept, queries.place(alerts.engine, kept, alert), queries.state_counts(alerts.engine, kept).total)
    _head(alert)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.markdown("##### Why it stands out")
        if alert.reasons:
            st.plotly_chart(charts.reason_bars(alert.reasons), config=charts.CONFIG, key="reasons")
        else:
            st.caption("No single column explains this record; compare it with its nearest normal rows below.")
    with right.container(border=True, height="stretch"):
        _decide(alerts, alert, history)
    _compare(alert)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        _place_in_scores(alert)
    with right.container(border=True, height="stretch"):
        st.markdown("##### History")
        if history:
            st.html(comparison.history_table(
                {"verdict": line.verdict, "author": line.author, "when": formats.when(line.created_at) + " UTC",
                 "note": line.note} for line in history))
        else:
            st.caption("Nobody has decided on this alert yet.")


def _walk(kept: queries.Filters, place: Place, total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        back = address.parameters(kept) | ({"page": str(number)} if (number := _page_of(place)) > 1 else {})
        st.page_link(page_names.QUEUE, label="Back to the queue", icon=":material/arrow_back:", query_params=back)
        st.space("stretch")
        st.caption(f"{formats.count(min(place.position, max(total, 1)))} of {formats.count(total)} in this queue",
                   width="content")
        for label, other, icon, key in (("Previous", place.previous, ":material/chevron_left:", "K"),
                                        ("Next", place.next, ":material/chevron_right:", "J")):
            if st.button(label, icon=icon, disabled=other is None, shortcut=key) and other:
                st.switch_page(page_names.RECORD, query_params={**address.parameters(kept), "alert": other})


def _page_of(place: Place) -> int:
    return (place.position - 1) // queries.PAGE_SIZE + 1


def _head(alert: AlertDetails) -> None:
    when = formats.when(alert.occurred_at) if alert.occurred_at else ""
    about = " · ".join(filter(None, [formats.names(alert.entities), when, alert.segment]))
    state = alert.verdict or "open"
    rarer = "Fewer than " if alert.risk >= 100 else "About "
    extrapolated = ", extrapolated beyond the calibration rows" if alert.p_tail < alert.p_value else ""
    st.html(
        f"<div class='head'><h1>{formats.in_html(alert.title)}</h1>"
        f"<span class='risk'>risk {formats.risk(alert.risk)}</span>"
        f"<span class='verdict {formats.in_html(state)}'>{formats.in_html(state)}</span>"
        f"<span class='about'>{formats.in_html(about)}</span></div>"
        f"<p class='lead'>{rarer}{formats.one_in(10 ** (-alert.risk / 10))} normal records looks this odd"
        f"{extrapolated}.</p>"
    )


def _decide(alerts: AlertStore, alert: AlertDetails, history: list[VerdictLine]) -> None:
    st.markdown("##### Your verdict")
    # A new key after each verdict empties the note; the author stays.
    with st.form(f"verdict_{alert.id}_{len(history)}", border=False, enter_to_submit=False):
        note = st.text_area("Note", placeholder="What did you find out?", max_chars=LONGEST_NOTE, height=88)
        author = st.text_input("Your name", value=st.session_state.get("author", _user()), max_chars=LONGEST_AUTHOR)
        buttons = st.columns(len(VERDICTS))
        given = [
            verdict for verdict, cell in zip(VERDICTS, buttons, strict=True)
            if cell.form_submit_button(verdict.capitalize(), icon=ICONS[verdict], width="stretch",
                                       type="primary" if verdict == alert.verdict else "secondary")
        ]
    if given and not author.strip():
        st.error("A verdict needs a name; write yours above the buttons.", icon=":material/person:")
    elif given:
        st.session_state["author"] = author.strip()
        queries.give_verdict(alerts, alert.id, given[0], author.strip(), note.strip())
        st.toast(f"Recorded: {given[0]}", icon=":material/check_circle:")
        st.rerun()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in some containers
        return ""


def _compare(alert: AlertDetails) -> None:
    columns = comparison.columns_in_order(alert)
    with st.container(border=True):
        title, choice = st.columns([3, 1], vertical_alignment="center")
        title.markdown("##### Beside what is normal")
        more = len(columns) > FEW_COLUMNS
        everything = more and choice.toggle(f"All {formats.count(len(columns))} columns")
        st.html(comparison.comparison_table(alert, columns if everything else columns[:FEW_COLUMNS]))
        st.caption(comparison.RULE)


def _place_in_scores(alert: AlertDetails) -> None:
    st.markdown("##### Among all scored rows")
    if alert.score_histogram:
        st.plotly_chart(charts.score_place(alert.score_histogram, alert.score), config=charts.CONFIG, key="scores")
    st.caption(f"p-value {formats.p_value(alert.p_value)} · extrapolated {formats.p_value(alert.p_tail)} · "
               f"run {formats.when(alert.run_created_at)} of {formats.in_markdown(alert.run_input)} · "
               f"model {formats.in_markdown(alert.model_id[:12])}")


show()
