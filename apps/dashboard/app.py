"""The dashboard: opens the alert store named by ANOMALY_CL_STORE and shows one page of it.

Started by `anomaly-cl dashboard`, which sets the theme and keeps the server on this machine.
"""

from __future__ import annotations

import logging
from pathlib import Path

import login
import page_names
import states
import store
import streamlit as st

from anomaly_cl.alerts.connection import explained
from anomaly_cl.errors import AnomalyCLError

HERE = Path(__file__).parent

st.set_page_config(page_title="anomaly_cl", page_icon=str(HERE / "mark.svg"), layout="wide")
st.logo(str(HERE / "mark.svg"), size="large")
st.html(HERE / "style.css")


def _case_of_record() -> None:
    st.switch_page(page_names.CASE, query_params=dict(st.query_params))


page = st.navigation([
    st.Page(page_names.OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
    st.Page(page_names.QUEUE, title="Queue", icon=":material/format_list_bulleted:", url_path="queue"),
    st.Page(page_names.CASE, title="Case", icon=":material/person_search:", url_path="case"),
    st.Page(page_names.MAP, title="Map", icon=":material/scatter_plot:", url_path="map"),
    st.Page(page_names.SERIES, title="Series", icon=":material/show_chart:", url_path="series"),
    st.Page(page_names.MODEL, title="Model", icon=":material/model_training:", url_path="model"),
    # addresses from before there were cases
    st.Page(_case_of_record, title="Record", url_path="record", visibility="hidden"),
], position="top")

title = "The dashboard cannot tell who you are"
try:
    who = login.actor()
    title = "The alert store cannot be read"
    with explained(store.location()):
        page.run()
    login.foot(who)
except AnomalyCLError as error:
    logging.getLogger(__name__).exception("the page could not be shown")
    states.failed(error, title)
