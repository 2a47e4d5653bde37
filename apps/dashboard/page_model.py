"""Model: how it was trained, what its scores mean, what is typical, and whether its calibration still holds."""

from __future__ import annotations

import charts
import formats
import insight_queries
import login
import model_charts
import model_parts
import overview_parts
import states
import store
import streamlit as st
from insight_queries import ModelDetails, ModelLine


def show() -> None:
    engine, actor = store.opened().engine, login.actor()
    lines = {line.id: line for line in insight_queries.models(engine)}
    model_id = _ask(lines)
    model = insight_queries.model(engine, actor, model_id)
    if model is None:
        st.rerun()
    facts = model.facts
    _head(model)
    if not facts:
        states.say("Of this model the store keeps its runs only",
                   "Scoring a file again with it adds what it learned: calibration, typical values and settings.")
    else:
        _calibration(model)
    overview_parts.drift(model.newest_drift)
    if facts:
        model_parts.columns(facts)
        left, right = st.columns(2, gap="medium")
        with left.container(border=True, height="stretch"):
            model_parts.training(facts)
        with right.container(border=True, height="stretch"):
            model_parts.settings(facts)
        model_parts.parts_of_data(facts)
    model_parts.runs(model.runs)


def _ask(lines: dict[str, ModelLine]) -> str:
    title, choice = st.columns([2, 3], vertical_alignment="center")
    title.html("<div class='head'><h1>Model</h1></div>")
    asked = st.query_params.get("model")
    st.session_state["address_model"] = asked if asked in lines else next(iter(lines))
    return str(choice.selectbox("Model", list(lines), format_func=lambda one: _name(lines[one]), key="address_model",
                                label_visibility="collapsed", on_change=_choose))


def _name(line: ModelLine) -> str:
    return f"{line.id[:16]} · {formats.plural(line.runs, 'run')}, the last {formats.when(line.newest)}"


def _choose() -> None:
    st.query_params["model"] = st.session_state["address_model"]


def _head(model: ModelDetails) -> None:
    facts = model.facts
    calibration, rows = facts.get("calibration", {}), facts.get("rows", {})
    cells = st.columns(4)
    cells[0].metric("Kind", formats.in_markdown(str(facts.get("kind", formats.MISSING))), border=True)
    learned = next((rows[name] for name in ("learned", "read", "reference") if name in rows), None)
    for cell, label, value in (
            (cells[1], "Rows learned from", learned), (cells[2], "Calibration rows", calibration.get("rows")),
            (cells[3], "Smallest p-value", calibration.get("smallest_p_value"))):
        text = formats.MISSING if value is None else formats.p_value(value) if value < 1 else formats.count(value)
        cell.metric(label, text, border=True)
    st.caption(f"Model {formats.in_markdown(model.id)}")


def _calibration(model: ModelDetails) -> None:
    calibration = model.facts.get("calibration", {})
    history = [epoch for epoch in model.facts.get("history") or [] if "epoch" in epoch]
    cells = iter(st.columns(2 if history else 1, gap="medium"))
    if calibration.get("curve"):
        with next(cells).container(border=True, height="stretch"):
            st.markdown("##### What a score means")
            st.plotly_chart(model_charts.calibration_curve(calibration), config=charts.CONFIG, key="calibration")
            tail = str(calibration.get("tail") or "")
            told = f" {formats.in_markdown(tail[:1].upper() + tail[1:])}." if tail else ""
            st.caption(f"Of all calibration rows together.{told}")
    if history:
        with next(cells).container(border=True, height="stretch"):
            st.markdown("##### Training")
            st.plotly_chart(model_charts.training_history(history), config=charts.CONFIG, key="training")
            st.caption(f"{formats.plural(len(history), 'epoch')}; the loss of the rows set aside says when to stop.")


show()
