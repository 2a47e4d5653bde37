"""What became of a write: kept from the callback that made it until the page is drawn, and then told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import decisions
import formats
import login
import states
import store
import streamlit as st
from access import Actor
from decisions import Changed

from anomaly_cl.alerts.connection import explained
from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.errors import AnomalyCLError, StaleError

KEPT = "outcome"
AUTHOR = "author"


@dataclass(frozen=True)
class Outcome:
    """Done, refused, or stale: then with what others wrote since the page was read."""

    said: str
    is_done: bool = False
    changed: Sequence[Changed] = ()


def write(doing: Callable[[AlertStore, Actor], str], versions: Mapping[int, int] | None = None) -> bool:
    """Write as the person at this page, and keep what to say; `doing` gives that. Gives whether it was done.

    For callbacks: their arguments are what the page showed, so that versions are those which the person has read.
    """
    alerts, actor = store.opened(), writer()
    try:
        with explained(alerts.engine.url):
            outcome = Outcome(doing(alerts, actor), is_done=True)
    except StaleError:
        outcome = Outcome("Nothing was written, because it has changed since you read it.",
                          changed=decisions.changed_since(alerts.engine, actor, versions or {}))
    except AnomalyCLError as refused:  # Forbidden among them
        outcome = Outcome(f"Nothing was written. {states.told(refused)}")
    st.session_state[KEPT] = outcome
    return outcome.is_done


def refuse(said: str) -> None:
    """Keep a sentence that says why nothing was written."""
    st.session_state[KEPT] = Outcome(said)


def writer() -> Actor:
    """The person at this page; the one user of a machine without login may sign with another name."""
    actor, name = login.actor(), st.session_state.get(AUTHOR, "").strip()
    return replace(actor, name=name) if name and login.configured_providers() is None else actor


def tell(read_again: Callable[[], None] | None = None) -> bool:
    """Say what became of the last write; gives whether it was stale, which stays until the page is read again.

    `read_again` is called then.
    """
    outcome: Outcome | None = st.session_state.get(KEPT)
    if outcome is None:
        return False
    if outcome.changed:
        told = "\n".join(f"- **{formats.in_markdown(change.title)}**: {formats.in_markdown(change.what)}, by "
                         f"{formats.in_markdown(change.by or 'the program')} at {change.at:%Y-%m-%d %H:%M:%S} UTC"
                         for change in outcome.changed)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"{outcome.said} What you wrote below is kept.\n\n{told}", icon=":material/sync_problem:")
            st.button("Read again", icon=":material/refresh:", type="primary", key="read_again",
                      on_click=_read_again, args=(read_again,))
        return True
    del st.session_state[KEPT]
    if outcome.is_done:
        st.toast(formats.in_markdown(outcome.said), icon=":material/check_circle:")
    else:
        st.error(formats.in_markdown(outcome.said), icon=":material/block:")
    return False


def _read_again(further: Callable[[], None] | None) -> None:
    forget()
    if further:
        further()


def forget() -> None:
    """The person has seen what others wrote."""
    st.session_state.pop(KEPT, None)
