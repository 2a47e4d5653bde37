"""The tables of the model page; facts are read with care, since each kind of model tells others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import formats
import page_names
import streamlit as st
from plain_table import plain_table
from queries import RunLine
from run_choice import run_name

FEW_RUNS = 20
MOST_LINES = 50


def columns(facts: Mapping[str, Any]) -> None:
    """The schema, with what is typical of normal rows."""
    schema, typical, channels = facts.get("schema") or [], facts.get("typical") or {}, facts.get("channels") or {}
    if not schema:
        return
    with st.container(border=True):
        st.markdown("##### Columns, and what is typical of normal rows")
        heads = ["Column", "Kind", "Role", "Typical", *(["Spread"] if channels else []), "Private"]
        rows = []
        for column in schema:
            name = str(column["name"])
            channel = channels.get(name) if isinstance(channels.get(name), Mapping) else None
            value = channel.get("typical") if channel else typical.get(name)
            rows.append([
                formats.cell(name), str(column.get("kind", "")), str(column.get("role", "")), formats.cell(value),
                *([formats.cell(channel.get("spread") if channel else None)] if channels else []),
                "private" if column.get("private") is True else ""])
        st.html(plain_table(heads, rows, numbers=[3, 4] if channels else []))


def training(facts: Mapping[str, Any]) -> None:
    """How it was trained, and what the heads count for."""
    st.markdown("##### Training data")
    st.html(plain_table(["What", "Value"], _pairs(facts.get("trained") or facts.get("rows") or {}), numbers=[1]))
    heads = facts.get("heads") or {}
    if heads:
        st.markdown("##### Heads of the score")
        st.html(plain_table(["Head", "Weight"], [[str(name), formats.cell(weight)] for name, weight in heads.items()],
                            numbers=[1]))


def settings(facts: Mapping[str, Any]) -> None:
    """The settings it was made with, and the versions of what made it."""
    st.markdown("##### Settings")
    st.html(plain_table(["Setting", "Value"], _pairs(facts.get("settings") or {})))
    st.markdown("##### Versions")
    st.html(plain_table(["Library", "Version"], [[str(name), str(version)] for name, version
                                                 in (facts.get("versions") or {}).items()]))


def parts_of_data(facts: Mapping[str, Any]) -> None:
    """Segments of the calibration, groups of normal behaviour, deviations of entities: those that there are."""
    segments, groups = facts.get("segments") or [], facts.get("groups") or []
    deviations = (facts.get("events") or {}).get("deviations") or {}
    if segments:
        with st.container(border=True):
            st.markdown("##### Segments of the calibration")
            st.html(plain_table(["Segment", "Rows", "Compared with", "Rows there", "Tail"], [
                [formats.cell("others" if line.get("segment") is None else line["segment"], name=True),
                 formats.cell(line.get("rows")), formats.cell(line.get("compared_with"), name=True),
                 formats.cell(line.get("compared_rows")), str(line.get("tail") or "")]
                for line in segments[:MOST_LINES]], numbers=[1, 3]))
            _rest(len(segments))
    if groups:
        with st.container(border=True):
            st.markdown("##### Groups of normal behaviour")
            st.html(plain_table(["Group", "Rows", "Share", "Described"], [
                [str(line.get("group", "")), formats.cell(line.get("rows")),
                 formats.percent(line["share"]) if isinstance(line.get("share"), float) else None,
                 formats.cell(line.get("description"))] for line in groups[:MOST_LINES]], numbers=[1, 2]))
            _rest(len(groups))
    if deviations:
        with st.container(border=True):
            st.markdown("##### What is compared with an entity's own past")
            st.html(plain_table(["Deviation", "Weight", "Used"], [
                [str(name), formats.cell(one.get("weight")), "yes" if one.get("used") else "no"]
                for name, one in list(deviations.items())[:MOST_LINES]], numbers=[1]))
            _rest(len(deviations))


def runs(lines: Sequence[RunLine]) -> None:
    """The runs that it scored, the newest first, each a link to its overview."""
    with st.container(border=True):
        st.markdown(f"##### {formats.plural(len(lines), 'run')} scored by it")
        for line in lines[:FEW_RUNS]:
            st.page_link(page_names.OVERVIEW, label=formats.in_markdown(run_name(line)), icon=":material/monitoring:",
                         query_params={"run": line.id})
        if len(lines) > FEW_RUNS:
            st.caption(f"The newest {FEW_RUNS} of them.")


def _rest(number: int) -> None:
    if number > MOST_LINES:
        st.caption(f"The first {MOST_LINES} of {formats.count(number)}.")


def _pairs(values: Mapping[str, Any]) -> list[list[str | None]]:
    return [[str(name).replace("_", " "), _told(value)] for name, value in values.items()]


def _told(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None or value == "":
        return "none"
    return formats.cell(value)
