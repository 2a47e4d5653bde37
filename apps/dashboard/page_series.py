"""Series: a whole signal with its alerted spans, one of them at full resolution, and what people decide of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import charts
import formats
import login
import mouse_choice
import queries
import run_choice
import series_chart
import series_queries
import span_parts
import states
import store
import streamlit as st
from queries import Engine, RunLine
from series_queries import SeriesLine, Span

KEPT = ("series", "alert", "channels", "from", "to")
FEW_CHANNELS = 6  # shown at once; others on request
STRETCH = ("from", "to")


def show() -> None:
    engine, actor = store.opened().engine, login.actor()
    runs = _runs(engine)
    _follow_alert(engine)
    run_id = run_choice.ask("Series", runs, forget=KEPT)
    with st.spinner("Reading the series …"):
        lines = series_queries.series_of(engine, actor, run_id)
        number = _number(lines)
        points = series_queries.signal(engine, actor, run_id, number)
        spans = series_queries.spans(engine, actor, run_id, number)
    if not points or not points.get("time") or not points.get("channels"):
        states.stop("Nothing of this series can be shown", "It has no points, or all its channels are private.")
    channels = _ask(lines, number, list(points["channels"]), spans)
    chosen = next((span for span in spans if span.id == st.query_params.get("alert")), None)
    _draw(points, channels, spans, chosen, f"series_{run_id}_{number}")
    if chosen is None:
        _hint(spans)
        return
    _walk(spans, chosen)
    details = series_queries.span(engine, actor, chosen.id)
    if details is not None:
        span_parts.show(actor, details)


def _runs(engine: Engine) -> list[RunLine]:
    kept = series_queries.runs_with_series(engine)
    runs = [run for run in queries.runs(engine) if run.id in kept]
    if not runs:
        states.stop("No run has a series", "Scoring with a model of series into the store keeps them; "
                    "the alerts of tables are in the queue.", to_queue=True)
    return runs


def _follow_alert(engine: Engine) -> None:
    """An address that names an alert alone is about its run and series."""
    alert_id = st.query_params.get("alert")
    if not alert_id or "series" in st.query_params:
        return
    place = series_queries.number_of(engine, alert_id)
    if place is None:
        del st.query_params["alert"]
        st.info("This alert is no span of a series that the store keeps.", icon=":material/info:")
        return
    st.query_params["run"], st.query_params["series"] = place[0], str(place[1])


def _number(lines: Sequence[SeriesLine]) -> int:
    """The series of the address; without one, the first with a span."""
    asked = st.query_params.get("series", "")
    known = [line.number for line in lines]
    if asked.isdecimal() and len(asked) < 9 and int(asked) in known:
        return int(asked)
    return next((line.number for line in lines if line.spans), known[0])


def _ask(lines: Sequence[SeriesLine], number: int, names: Sequence[str], spans: Sequence[Span]) -> list[str]:
    """Ask for the series and the channels; gives the channels that are shown."""
    series, channels, reset = st.columns([3, 5, 1.6], vertical_alignment="bottom")
    by_number = {line.number: line for line in lines}
    if any(line.name for line in lines):
        st.session_state["address_series"] = number
        series.selectbox("Series", list(by_number), key="address_series", on_change=_choose_series,
                         format_func=lambda one: _series_name(by_number[one]))
    asked = [names[int(part)] for part in st.query_params.get("channels", "").split(",")
             if part.isdecimal() and len(part) < 6 and int(part) < len(names)]
    shown = asked or _strongest(names, spans)
    st.session_state["address_channels"] = shown
    channels.multiselect("Channels", names, key="address_channels", on_change=partial(_choose_channels, list(names)))
    if any(name in st.query_params for name in STRETCH):
        reset.button("Whole series", icon=":material/zoom_out_map:", on_click=_reset, width="stretch")
    return [name for name in names if name in shown]


def _series_name(line: SeriesLine) -> str:
    return f"{line.number} · {line.name} · {formats.plural(line.spans, 'span')}"


def _strongest(names: Sequence[str], spans: Sequence[Span]) -> list[str]:
    """All channels, or where they are many those that the spans stand out by."""
    if len(names) <= FEW_CHANNELS:
        return list(names)
    weight: dict[str, float] = dict.fromkeys(names, 0.0)
    for span in spans:
        for reason in span.reasons:
            if reason["column"] in weight:
                weight[reason["column"]] += float(reason["contribution"])
    return sorted(names, key=lambda name: -weight[name])[:FEW_CHANNELS]


def _draw(points: Mapping[str, Any], channels: Sequence[str], spans: Sequence[Span], chosen: Span | None, key: str
          ) -> None:
    stretch = _stretch()
    with st.container(border=True):
        mouse = mouse_choice.ask("Draw to look closer", "Click a span's mark")
        key = f"{key}_{stretch}_{mouse}"
        st.plotly_chart(
            series_chart.whole(points, channels, spans, chosen.id if chosen else None, stretch, mouse),
            config=charts.CONFIG, key=key, on_select=partial(_select, key), selection_mode=("points", "box"))
        st.caption("Each band runs from the least to the greatest value of its stretch of time; shaded are the alerted "
                   "spans, each with a mark above the surprise.")
        if spans:
            with st.expander(f"{formats.plural(len(spans), 'alerted span')} in a list"):
                span_parts.listed(spans, f"spans_{key}", _choose_span)


def _select(key: str) -> None:
    """Write what was drawn to the address: a stretch of time, or the span whose mark was clicked."""
    selection = st.session_state[key].selection
    ids = [point["customdata"][0] for point in selection.points if point.get("customdata")]
    if selection.box:
        start, end = sorted(str(value) for value in selection.box[0]["x"])
        for name, text in zip(STRETCH, (start, end), strict=True):
            st.query_params[name] = text[:19].replace(" ", "T")
    elif ids:
        st.query_params["alert"] = str(ids[-1])


def _stretch() -> tuple[datetime, datetime] | None:
    start, end = (formats.moment(st.query_params.get(name)) for name in STRETCH)
    return (start, end) if start and end and start < end else None


def _hint(spans: Sequence[Span]) -> None:
    if not spans:
        st.caption("No span of this series was alerted.")
        return
    riskiest = max(spans, key=lambda span: span.risk)
    st.button(f"Open the riskiest of {formats.plural(len(spans), 'alerted span')}", icon=":material/arrow_forward:",
              on_click=_choose_span, args=(riskiest.id,))


def _walk(spans: Sequence[Span], chosen: Span) -> None:
    """Forward and back through the spans in the order of time."""
    position = next(place for place, span in enumerate(spans) if span.id == chosen.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"##### Span {position + 1} of {len(spans)}", width="content")
        st.space("stretch")
        for label, other, icon, shortcut in (("Previous", position - 1, ":material/chevron_left:", "K"),
                                             ("Next", position + 1, ":material/chevron_right:", "J")):
            inside = 0 <= other < len(spans)
            st.button(label, icon=icon, shortcut=shortcut, disabled=not inside, on_click=_choose_span,
                      args=(spans[other].id if inside else "",))


def _choose_series() -> None:
    for name in KEPT:
        st.query_params.pop(name, None)
    st.query_params["series"] = str(st.session_state["address_series"])


def _choose_channels(names: list[str]) -> None:
    # by position: a name may hold any character, and may be long
    st.query_params["channels"] = ",".join(str(names.index(name)) for name in st.session_state["address_channels"])


def _choose_span(alert_id: str) -> None:
    st.query_params["alert"] = alert_id


def _reset() -> None:
    for name in STRETCH:
        st.query_params.pop(name, None)


show()
