"""The parts of the case page that only show: reasons, timeline, alerts, similar alerts and entities, history."""

from __future__ import annotations

from collections.abc import Sequence

import case_queries
import charts
import comparison
import explanation_text
import formats
import page_names
import pandas as pd
import queue_tables
import series_chart
import series_queries
import streamlit as st
import timeline as timelines
from access import Actor
from case_queries import AlertDetails, HistoryLine, Past, SimilarAlert, SimilarEntity
from queries import AlertLine, CaseLine, Engine

RULE_OF_SIMILAR = ("Of the same model, decided among the last 2,000 verdicts, and strange above all in the same "
                   "column; those that share the second column first, then the closest in risk.")


def reasons(alert: AlertDetails) -> None:
    """The sentence, the contributions, and what would have to be otherwise."""
    when = formats.when(alert.occurred_at) if alert.occurred_at else ""
    about = " · ".join(filter(None, [formats.names(alert.entities), when, alert.segment]))
    state = "suppressed" if alert.suppressed else alert.verdict or "open"
    st.html(
        f"<div class='alert-head'><span class='title'>{formats.in_html(alert.title)}</span>"
        f"<span class='risk'>risk {formats.risk(alert.risk)}</span>"
        f"<span class='verdict {state}'>{state}</span>"
        f"<span class='about'>{formats.in_html(about)}</span></div>")
    told = explanation_text.sentence(alert.explanation)
    st.html(f"<p class='lead'>{formats.in_html(told) if told else ''}"
            f"<span class='rarity'>{formats.in_html(_rarity(alert))}</span></p>")
    contributions = explanation_text.contributions(alert.explanation) or alert.reasons
    if contributions:
        st.plotly_chart(charts.reason_bars(contributions), config=charts.CONFIG, key="reasons")
    else:
        st.caption("No single column explains this record; compare it with its nearest normal rows below.")
    otherwise, together = explanation_text.counterfactual(alert.explanation), explanation_text.pairs(alert.explanation)
    lines = [f"<p class='told'><b>{head}</b> {formats.in_html(text)}</p>" for head, text in (
        ("What would be ordinary", otherwise), ("Pairs", together)) if text]
    if lines:
        st.html("".join(lines))


def _rarity(alert: AlertDetails) -> str:
    rarer = "Fewer than " if alert.risk >= 100 else "About "
    extrapolated = ", extrapolated beyond the calibration rows" if alert.p_tail < alert.p_value else ""
    return f"{rarer}{formats.one_in(10 ** (-alert.risk / 10))} normal records looks this odd{extrapolated}."


def timeline(case: CaseLine, past: Past, alerts: Sequence[AlertLine], chosen: str) -> None:
    """What the entity did over time, with its alerts; a click on one opens it."""
    st.markdown(f"##### Timeline of this {formats.in_markdown(case.entity_column or 'record')}")
    figure = timelines.timeline(past.records, alerts, chosen)
    if figure is None:
        st.caption("Nothing else is known of its time: the record names no entity, or is the only one that has a time.")
        return
    key = f"timeline_{case.id}_{chosen}"
    st.plotly_chart(figure, config=charts.CONFIG, key=key, selection_mode="points",
                    on_select=lambda: _open_point(key))
    if not past.records:
        st.caption("Alerts only: the runs kept no other records of it.")


def _open_point(key: str) -> None:
    points = st.session_state[key].selection.points
    alert_id = points[0].get("customdata") if points else None
    alert_id = alert_id[0] if isinstance(alert_id, list) else alert_id
    if alert_id:
        _open(str(alert_id))


def _open(alert_id: str) -> None:
    # its case is found by the alert: it may be an earlier one of the same entity
    st.query_params.pop("case", None)
    st.query_params["alert"] = alert_id


def alerts_of_case(case: CaseLine, alerts: Sequence[AlertLine], chosen: str) -> None:
    """Its alerts as a list; a click opens one."""
    with st.container(border=True):
        shown = f" · the {len(alerts)} riskiest" if len(alerts) == case_queries.MOST_ALERTS else ""
        st.markdown(f"##### Alerts of this case{shown}")
        frame = pd.DataFrame({
            "": ["▸" if line.id == chosen else "" for line in alerts],
            "Risk": [line.risk for line in alerts],
            "Record": [line.title for line in alerts],
            "When": [formats.when(line.occurred_at) for line in alerts],
            "Amount": [queue_tables.amount(line.amount) for line in alerts],
            "Why": [formats.why(line.reasons) for line in alerts],
            "Verdict": [["Suppressed" if line.suppressed else (line.verdict or "open").capitalize()]
                        for line in alerts],
        })
        key = f"alerts_{case.id}_{chosen}_{len(alerts)}"
        height = queue_tables.ROW_HEIGHT * (min(len(alerts), 6) + 1) + 2
        st.dataframe(frame, hide_index=True, height=height, row_height=queue_tables.ROW_HEIGHT, key=key,
                     on_select=lambda: _open_row(key, alerts), selection_mode="single-cell",
                     alt="Alerts of this case; click one to show it",
                     column_config={"": st.column_config.TextColumn(width=28), **queue_tables.columns(of_cases=False)})


def _open_row(key: str, alerts: Sequence[AlertLine]) -> None:
    cells = st.session_state[key].selection.cells
    if cells:
        _open(alerts[cells[0][0]].id)


def others(engine: Engine, actor: Actor, alert: AlertDetails, past: Past) -> None:
    """Similar alerts with what was decided of them, and similar entities with what became of theirs."""
    similar = case_queries.similar_alerts(engine, actor, alert)
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True, height="stretch"):
        st.markdown("##### Similar alerts, and how they were decided")
        if similar:
            st.html(_similar_alerts(similar))
        else:
            st.caption("No alert that stands out by the same column has been decided yet.")
        st.caption(RULE_OF_SIMILAR)
    with right.container(border=True, height="stretch"):
        named = formats.in_markdown(alert.entity_column or "entity")
        st.markdown(f"##### Who behaves like this {named}")
        if past.similar:
            st.html(_similar_entities(past.similar))
        else:
            st.caption("The runs kept no similar ones: they are known for models of events with entities.")


def _similar_alerts(similar: Sequence[SimilarAlert]) -> str:
    rows = "".join(
        f"<tr><td><a href='case?alert={formats.in_html(line.id)}' target='_self'>{formats.in_html(line.title)}</a></td>"
        f"<td class='number'>{formats.risk(line.risk)}</td>"
        f"<td class='long' title='{formats.in_html(formats.why(line.reasons))}'>"
        f"{formats.in_html(formats.why(line.reasons))}</td>"
        f"<td><span class='verdict {formats.in_html(line.verdict or '')}'>{formats.in_html(line.verdict or '')}</span>"
        f"</td><td class='long' title='{formats.in_html(line.note)}'>{formats.in_html(line.reason or line.note)}</td>"
        "</tr>"
        for line in similar)
    return _table(("Record", "Risk", "Why", "Verdict", "Reason"), rows, numbers=(1,))


def _similar_entities(similar: Sequence[SimilarEntity]) -> str:
    rows = "".join(
        f"<tr><td>{_entity(one)}</td><td class='number'>{formats.number(round(one.distance, 3))}</td>"
        f"<td class='number'>{formats.count(one.records)}</td><td class='number'>{formats.count(one.alerts)}</td>"
        f"<td class='number'>{formats.count(one.frauds)}</td></tr>" for one in similar)
    return _table(("Who", "Distance", "Records", "Alerts", "Frauds"), rows, numbers=(1, 2, 3, 4))


def _entity(one: SimilarEntity) -> str:
    name = formats.in_html(one.entity)
    return name if one.case_id is None else f"<a href='case?case={one.case_id}' target='_self'>{name}</a>"


def _table(heads: Sequence[str], rows: str, numbers: Sequence[int]) -> str:
    head = "".join(f"<th scope='col' class='{'number' if place in numbers else ''}'>{text}</th>"
                   for place, text in enumerate(heads))
    return (f"<div class='wide'><table class='comparison'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            "</div>")


def signal(engine: Engine, actor: Actor, alert: AlertDetails) -> None:
    """Of a span of a series: its steps and those around it."""
    span = series_queries.span(engine, actor, alert.id) if alert.signal else None
    if span is None or not span.signal or not span.signal.get("channels"):
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("##### The signal around this span")
            st.page_link(page_names.SERIES, label="Open the series", icon=":material/show_chart:", width="content",
                         query_params={"alert": alert.id})
        st.plotly_chart(series_chart.detail(span.signal, span), config=charts.CONFIG, key="signal")


def origin(case: CaseLine, alert: AlertDetails) -> None:
    """Where the alert comes from, for whoever must account for it."""
    st.markdown("##### Where it comes from")
    facts = {
        "Score": formats.number(alert.score), "p-value": formats.p_value(alert.p_value),
        "extrapolated": formats.p_value(alert.p_tail), "Run": f"{formats.when(alert.run_created_at)} UTC",
        "Input": alert.run_input, "Row": formats.count(alert.row_number), "Model": alert.model_id[:12],
        "Alert": alert.id[:12], "Case": f"{case.id}, version {case.version}",
    }
    rows = "".join(f"<tr><th scope='row'>{name}</th><td>{formats.in_html(told)}</td></tr>"
                   for name, told in facts.items())
    st.html(f"<table class='facts'>{rows}</table>")


def history(lines: Sequence[HistoryLine]) -> None:
    """What people did with this case, newest first."""
    st.markdown("##### History")
    if lines:
        st.html(comparison.history_table(lines))
    else:
        st.caption("Nobody has worked on this case yet.")
