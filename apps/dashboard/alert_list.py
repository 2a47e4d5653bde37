"""A list of alerts that leads to their cases: a click on a row opens it."""

from __future__ import annotations

from collections.abc import Sequence

import page_names
import queue_tables
import streamlit as st
from queries import AlertLine

SHOWN = 10  # rows without scrolling


def listed(lines: Sequence[AlertLine], key: str) -> None:
    """The alerts, one a row."""
    frame = queue_tables.of_alerts(lines)
    chosen = st.dataframe(
        frame, hide_index=True, row_height=queue_tables.ROW_HEIGHT, on_select="rerun", selection_mode="single-cell",
        height=queue_tables.ROW_HEIGHT * (min(len(lines), SHOWN) + 1) + 2, key=key,
        alt="Alerts; click one to open its case",
        column_config={name: column for name, column in queue_tables.columns(of_cases=False).items() if name in frame})
    if chosen.selection.cells:
        line = lines[chosen.selection.cells[0][0]]
        st.switch_page(page_names.CASE, query_params={"case": str(line.case_id), "alert": line.id})
