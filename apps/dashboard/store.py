"""The store that this server shows: opened once, shared by all visitors."""

from __future__ import annotations

from pathlib import Path

import queries
import states
import streamlit as st
from sqlalchemy import URL

from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.store import AlertStore


def location() -> URL:
    """Where the store is: $ANOMALY_CL_STORE, or the user's own store."""
    return store_url()


def opened() -> AlertStore:
    """The store, with at least one run in it; otherwise the page ends here and says what to do."""
    url = location()
    # Opening would create the file; a dashboard that is started before the first scoring should not.
    if url.get_backend_name() == "sqlite" and "uri" not in url.query and not Path(str(url.database)).exists():
        states.store_missing(url)
    store = _open(url.render_as_string(hide_password=False))
    if not queries.runs(store.engine):
        states.store_empty(url)
    return store


@st.cache_resource(show_spinner="Opening the alert store …", on_release=AlertStore.close)
def _open(url: str) -> AlertStore:
    return queries.opened(url)
