"""Map: where alerts lie among normal records; a click or a box picks some, which are listed below."""

from __future__ import annotations

import math

import alert_list
import charts
import formats
import insight_queries
import login
import map_chart
import mouse_choice
import queries
import run_choice
import states
import store
import streamlit as st
from map_chart import Box

KEPT = ("box", "alert")


def show() -> None:
    engine, actor = store.opened().engine, login.actor()
    mapped = insight_queries.mapped_runs(engine)
    runs = [run for run in queries.runs(engine) if run.id in mapped]
    if not runs:
        states.stop("No run has a map", "Scoring a table into the store draws one; series have none, see Series.",
                    "anomaly-cl score MODEL FILE --out scored.parquet --store STORE")
    run_id = run_choice.ask("Map", runs, forget=KEPT)
    run = queries.run(engine, run_id)
    if run is None:
        st.rerun()
    with st.spinner("Reading the map …"):
        points = insight_queries.map_points(engine, run_id)
    box, chosen = _box(st.query_params.get("box")), st.query_params.get("alert")
    with st.container(border=True):
        mouse = mouse_choice.ask("Draw a box", "Click an alert")
        key = f"map_{run_id}_{mouse}"
        st.plotly_chart(
            map_chart.map_figure(run.summary["map"], points, box, chosen, mouse), config=charts.CONFIG, key=key,
            on_select=lambda: _select(key), selection_mode=("points", "box"))
        st.caption(_said(len(points), run.alerts_raised, run.summary["map"]))
    if box is not None:
        lines, found = insight_queries.alerts_within(engine, actor, run_id, (box[0], box[1]), (box[2], box[3]))
    elif chosen:
        lines = [line for line in [insight_queries.alert_named(engine, actor, chosen)] if line]
        found = len(lines)
    else:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        most = f", the {formats.count(len(lines))} riskiest are listed" if found > len(lines) else ""
        st.markdown(f"##### {formats.plural(found, 'selected alert')}{most}", width="content")
        st.button("Clear", icon=":material/close:", type="tertiary", on_click=_clear)
    if lines:
        alert_list.listed(lines, f"selected_{run_id}_{st.query_params.get('box')}_{chosen}")
    else:
        st.caption("No alert lies there; the grey points are normal rows that the model learned from.")


def _said(shown: int, raised: int, drawn: dict[str, object]) -> str:
    part = f"the {formats.count(shown)} riskiest of {formats.count(raised)}" if shown < raised else "all"
    method = formats.in_markdown(str(drawn.get("method", "")))
    return (f"Grey are normal rows that the model learned from; the plane is {method} of what it measures in. "
            f"Shown are {part} alerts, larger where riskier.")


def _select(key: str) -> None:
    """Write what was selected to the address: the box, or the alert that was clicked."""
    _clear()
    selection = st.session_state[key].selection
    if selection.box:
        (x0, x1), (y0, y1) = (sorted(map(float, selection.box[0][axis])) for axis in ("x", "y"))
        st.query_params["box"] = ",".join(f"{value:.5g}" for value in (x0, y0, x1, y1))
        return
    ids = [point["customdata"][0] for point in selection.points if point.get("customdata")]
    if ids:
        st.query_params["alert"] = str(ids[-1])


def _clear() -> None:
    for name in KEPT:
        st.query_params.pop(name, None)


def _box(text: str | None) -> Box | None:
    """The corners in an address; None where it holds no box."""
    try:
        x0, y0, x1, y1 = (float(part) for part in (text or "").split(","))
    except ValueError:
        return None
    return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) and x0 <= x1 and y0 <= y1 else None


show()
