"""Case: why its alerts stand out, what is normal, what happened before, and what people decide."""

from __future__ import annotations

from functools import partial

import address
import case_actions
import case_parts
import case_queries
import charts
import comparison
import formats
import login
import outcome
import page_names
import queries
import states
import store
import streamlit as st
from access import Actor
from case_queries import AlertDetails
from filters import Filters
from queries import AlertLine, CaseLine, Engine

FEW_COLUMNS = 16  # shown at once; the others on request


def show() -> None:
    engine, actor = store.opened().engine, login.actor()
    kept = address.filters(st.query_params)
    with st.spinner("Reading the case …"):
        case = _asked_case(engine, actor, kept)
        alerts = case_queries.alerts_of_case(engine, actor, case.id)
        alert = _asked_alert(engine, actor, case, alerts)
    st.query_params["case"], st.query_params["alert"] = str(case.id), alert.id
    _walk(engine, actor, kept, case, alert)
    _head(case)
    stale = outcome.tell()
    case_actions.toolbar(actor, case, alert, stale)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        case_parts.reasons(alert)
    with right.container(border=True, height="stretch"):
        st.markdown("##### Your verdict")
        open_ids = case_queries.open_alerts(engine, [case.id])
        case_actions.verdict_form(actor, case, alert, open_ids, stale)
    past = case_queries.past(engine, actor, alert)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        case_parts.timeline(case, past, case_queries.alerts_of_entity(engine, actor, case.id), alert.id)
    with right.container(border=True, height="stretch"):
        case_parts.history(case_queries.history(engine, actor, case.id))
    if len(alerts) > 1:
        case_parts.alerts_of_case(case, alerts, alert.id)
    case_parts.signal(engine, actor, alert)
    _compare(alert)
    case_parts.others(engine, actor, alert, past)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.markdown("##### Among all scored rows")
        if alert.score_histogram:
            st.plotly_chart(charts.score_place(alert.score_histogram, alert.score), config=charts.CONFIG, key="scores")
    with right.container(border=True, height="stretch"):
        case_parts.origin(case, alert)


def _asked_case(engine: Engine, actor: Actor, kept: Filters) -> CaseLine:
    """The case of the address, by its own number or by an alert; without either the first of the queue."""
    asked, alert_id = st.query_params.get("case", ""), st.query_params.get("alert", "")
    number: int | None = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    if number is None and alert_id:
        number = case_queries.case_of(engine, alert_id)
        if number is None:
            states.stop("This alert is not in the store",
                        "The address names an alert that this store does not hold.", to_queue=True)
    if number is None and not asked:
        first = queries.cases(engine, actor, Filters(view="cases", state=kept.state), page_size=1)
        if not first:
            states.stop("No case to show", "No case of this store meets the filters.", to_queue=True)
        number = first[0].id
    case = None if number is None else case_queries.case(engine, actor, number)
    if case is None:
        states.stop("This case is not in the store", "The address names a case that this store does not hold.",
                    to_queue=True)
    return case


def _asked_alert(engine: Engine, actor: Actor, case: CaseLine, alerts: list[AlertLine]) -> AlertDetails:
    """The alert of the address if it is of this case; otherwise the riskiest open one, or the riskiest."""
    asked = st.query_params.get("alert", "")
    alert = case_queries.alert(engine, actor, asked) if asked else None
    if alert is None or alert.case_id != case.id:
        chosen = next((line for line in alerts if line.verdict is None and not line.suppressed),
                      next(iter(alerts), None))
        alert = case_queries.alert(engine, actor, chosen.id) if chosen else None
    if alert is None:
        states.stop("This case has no alerts", "They were moved to another case of the same entity.", to_queue=True)
    return alert


def _walk(engine: Engine, actor: Actor, kept: Filters, case: CaseLine, alert: AlertDetails) -> None:
    of_cases = kept.view == "cases"
    place = queries.place(engine, actor, kept, case.id if of_cases else alert.id)
    total = queries.counts(engine, actor, kept)[kept.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        page = (place.position - 1) // queries.PAGE_SIZE + 1
        back = address.parameters(kept) | ({"page": str(page)} if page > 1 else {})
        st.page_link(page_names.QUEUE, label="Back to the queue", icon=":material/arrow_back:", query_params=back)
        st.space("stretch")
        st.caption(f"{formats.count(min(place.position, max(total, 1)))} of {formats.count(total)} {kept.view}",
                   width="content")
        for label, other, icon, key in (("Previous", place.previous, ":material/chevron_left:", "K"),
                                        ("Next", place.next, ":material/chevron_right:", "J")):
            st.button(label, icon=icon, disabled=other is None, shortcut=key,
                      on_click=partial(_go, kept, "case" if of_cases else "alert", other))


def _go(kept: Filters, named: str, other: object) -> None:
    outcome.forget()
    st.query_params.from_dict({**address.parameters(kept), named: str(other)})


def _head(case: CaseLine) -> None:
    verdict = f"<span class='verdict {case.verdict}'>{case.verdict}</span>" if case.verdict else ""
    about = " · ".join(filter(None, [
        f"{formats.plural(case.alerts_shown, 'alert')}, {formats.count(case.alerts_open)} open",
        f"amount {formats.money(case.amount)}" if case.amount is not None else "",
        f"opened {formats.when(case.opened_at)}",
        f"assigned to {case.assignee}" if case.assignee else "assigned to nobody",
    ]))
    of = f"<span class='of'>{formats.in_html(case.entity_column)}</span> " if case.entity_column else ""
    st.html(
        f"<div class='head'><h1>{of}{formats.in_html(case.title)}</h1>"
        f"<span class='risk'>risk {formats.risk(case.risk)}</span>"
        f"<span class='verdict {case.state.replace(' ', '-')}'>{formats.in_html(case.state)}</span>{verdict}"
        f"<span class='about'>{formats.in_html(about)}</span></div>"
    )


def _compare(alert: AlertDetails) -> None:
    columns = comparison.columns_in_order(alert)
    with st.container(border=True):
        title, choice = st.columns([3, 1], vertical_alignment="center")
        title.markdown("##### Beside what is normal")
        more = len(columns) > FEW_COLUMNS
        everything = more and choice.toggle(f"All {formats.count(len(columns))} columns")
        st.html(comparison.comparison_table(alert, columns if everything else columns[:FEW_COLUMNS]))
        st.caption(comparison.RULE)


show()
