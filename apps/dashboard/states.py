"""What the page says when there is nothing to show: one calm sentence, and the remedy."""

from __future__ import annotations

from typing import NoReturn

import formats
import page_names
import streamlit as st
from access import Forbidden
from sqlalchemy import URL

from anomaly_cl.alerts.location import shown
from anomaly_cl.errors import AnomalyCLError


def say(title: str, sentence: str, command: str = "", to_queue: bool = False) -> None:
    """An empty state; title and sentence are plain text, a command or a link to the queue stands below them."""
    with st.container(horizontal_alignment="center"):
        st.html(f"<div class='state'><h2>{formats.in_html(title)}</h2><p>{formats.in_html(sentence)}</p></div>")
        if command:
            st.code(command, language=None, width=640)
        if to_queue:
            st.page_link(page_names.QUEUE, label="Open the queue", icon=":material/format_list_bulleted:")


def stop(title: str, sentence: str, command: str = "", to_queue: bool = False) -> NoReturn:
    """Say it, and end the page here."""
    say(title, sentence, command, to_queue)
    st.stop()


def store_missing(url: URL) -> NoReturn:
    stop("There is no alert store yet", f"Nothing was found at {shown(url)}. Scoring a file into it creates it.",
         _scoring(url))


def store_empty(url: URL) -> NoReturn:
    stop("The alert store is empty", f"No file has been scored into {shown(url)} yet.", _scoring(url))


def failed(error: AnomalyCLError, title: str = "The alert store cannot be read") -> None:
    """The rule that was broken, what was found, and the remedy."""
    say("That is not yours to do" if isinstance(error, Forbidden) else title, told(error))


def told(error: AnomalyCLError) -> str:
    """A refusal as sentences: the rule, what was found, the remedy."""
    return f"{_sentence(error.rule)} Found: {error.value}. {_sentence(error.remedy)}"


def _scoring(url: URL) -> str:
    return f"anomaly-cl score MODEL FILE --out scored.parquet --store {shown(url)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
