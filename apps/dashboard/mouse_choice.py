"""What the mouse does in a figure: draw, or click. A figure that draws boxes gives no clicks, so people choose."""

from __future__ import annotations

import address
import streamlit as st

DRAW, CLICK = "draw", "click"


def ask(drawing: str, clicking: str) -> str:
    """DRAW or CLICK, kept in the address; the texts say what each is for."""
    asked = st.query_params.get("mouse")
    return str(st.segmented_control(
        "Mouse", [DRAW, CLICK], format_func={DRAW: drawing, CLICK: clicking}.__getitem__, required=True,
        label_visibility="collapsed",
        **address.tied("mouse", asked if asked in (DRAW, CLICK) else DRAW, address.unless(DRAW))))


def layout(mouse: str) -> dict[str, object]:
    """Plotly's layout for it."""
    return {"dragmode": "select" if mouse == DRAW else False, "clickmode": "event" if mouse == DRAW else "event+select"}
