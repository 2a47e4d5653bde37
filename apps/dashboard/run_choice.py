"""The head of a page about one run: its title, and the choice of the run, kept in the address."""

from __future__ import annotations

from collections.abc import Sequence

import formats
import streamlit as st
from queries import RunLine

KEY = "address_run"


def ask(title: str, runs: Sequence[RunLine], forget: Sequence[str] = ()) -> str:
    """The id of the run of the address, or of the first of these; another choice takes `forget` out of the address."""
    by_id = {run.id: run for run in runs}
    head, choice = st.columns([2, 3], vertical_alignment="center")
    head.html(f"<div class='head'><h1>{formats.in_html(title)}</h1></div>")
    asked = st.query_params.get("run")
    st.session_state[KEY] = asked if asked in by_id else next(iter(by_id))
    return str(choice.selectbox("Run", list(by_id), format_func=lambda one: run_name(by_id[one]), key=KEY,
                                label_visibility="collapsed", on_change=_choose, args=(list(forget),)))


def run_name(run: RunLine) -> str:
    return f"{formats.when(run.created_at)} · {run.input_name} · {formats.count(run.alerts_raised)} alerts"


def _choose(forget: list[str]) -> None:
    for name in forget:
        st.query_params.pop(name, None)
    st.query_params["run"] = st.session_state[KEY]
