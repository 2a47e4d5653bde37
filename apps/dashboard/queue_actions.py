"""What can be done from the queue: decide several rows, keep filters, lift suppressions, take the list along as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qsl, urlencode

import address
import decisions
import export as exporting
import formats
import outcome
import queries
import queue_tables
import streamlit as st
from access import Actor, needed
from case_actions import BUTTONS, LONGEST_NOTE, REASONS
from decisions import SuppressionLine
from filters import Filters
from queries import AlertLine, CaseLine, Engine, FilterLine

from anomaly_cl.alerts.models import VERDICTS
from anomaly_cl.alerts.people import PERSON_LENGTH


def bulk(lines: Sequence[CaseLine | AlertLine], open_first: Callable[[], None], stale: bool) -> None:
    """One verdict for all ticked rows, with reason and note; always there, so that the table does not move."""
    chosen = queue_tables.ticked(lines)
    turn = st.session_state.get(queue_tables.TURN, 0)
    with st.container(horizontal=True, vertical_alignment="center", key="bulk"):
        st.html(f"<p class='ticked'>{_ticked(chosen)}</p>", width="content")
        st.selectbox("Reason", REASONS, index=None, placeholder="Reason", accept_new_options=True,
                              label_visibility="collapsed", key=f"bulk_reason_{turn}", width=220)
        st.text_input("Note", placeholder="Note", max_chars=LONGEST_NOTE, label_visibility="collapsed",
                      key=f"bulk_note_{turn}")
        for verdict in VERDICTS:
            st.button(verdict.capitalize(), icon=BUTTONS[verdict].icon, disabled=stale or not chosen,
                      on_click=_decide, args=(chosen, verdict, turn), key=f"bulk_{verdict}")
        st.button("Open", icon=":material/play_arrow:", shortcut="J", on_click=open_first,
                  help="The first ticked row, or the first of the list")


def _ticked(chosen: Sequence[CaseLine | AlertLine]) -> str:
    if not chosen:
        return "Tick rows to decide them"
    if isinstance(chosen[0], CaseLine):
        alerts = sum(line.alerts_open for line in chosen if isinstance(line, CaseLine))
        return f"<b>{formats.plural(len(chosen), 'case')}</b>, {formats.plural(alerts, 'open alert')}"
    return f"<b>{formats.plural(len(chosen), 'alert')}</b> ticked"


def _decide(chosen: Sequence[CaseLine | AlertLine], verdict: str, turn: int) -> None:
    reason, note = st.session_state[f"bulk_reason_{turn}"] or "", st.session_state[f"bulk_note_{turn}"]
    versions = {line.id if isinstance(line, CaseLine) else line.case_id: line.version for line in chosen}

    def doing(alerts: decisions.AlertStore, actor: Actor) -> str:
        if isinstance(chosen[0], CaseLine):
            number = decisions.decide_cases(alerts, actor, versions, verdict, reason=reason, note=note)
        else:
            number = decisions.decide(alerts, actor, [str(line.id) for line in chosen], verdict, reason=reason,
                                      note=note, versions=versions)
        return f"Recorded: {verdict} on {formats.plural(number, 'alert')}"

    if outcome.write(doing, versions):
        queue_tables.untick()


def saved_filters(engine: Engine, actor: Actor, kept: Filters) -> None:
    """Everybody's filters to choose from, and a name for the present one."""
    saved = queries.saved_filters(engine)
    with st.popover("Saved filters", icon=":material/bookmark:", width="content"):
        if not saved:
            st.caption("A filter that is saved here is seen by everybody, with your name beside it.")
        for line in saved:
            _saved(line, actor, line.query == urlencode(address.parameters(kept)))
        may = actor.may("analyst")
        with st.form("save_filter", border=False, clear_on_submit=True):
            st.text_input("Save the present filter as", key="filter_name", max_chars=PERSON_LENGTH, disabled=not may)
            st.form_submit_button("Save", icon=":material/bookmark_add:", on_click=_save, args=(kept,),
                                  disabled=not may, help=None if may else needed("analyst", "saving a filter"))


def _saved(line: FilterLine, actor: Actor, is_present: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(formats.in_markdown(line.name), on_click=_apply, args=(line.query,), key=f"filter_{line.id}",
                  type="primary" if is_present else "tertiary")
        st.space("stretch")
        st.caption(formats.in_markdown(line.author), width="content")
        if actor.may("admin") or (line.author == actor.name and actor.may("analyst")):
            st.button("Delete", icon=":material/delete:", on_click=_delete, args=(line,), type="tertiary",
                      key=f"delete_filter_{line.id}")


def _apply(query: str) -> None:
    # what is read from the store is text that somebody wrote: it counts as far as it is a filter
    st.query_params.from_dict(address.parameters(address.filters(dict(parse_qsl(query)))))


def _save(kept: Filters) -> None:
    name, query = st.session_state["filter_name"], urlencode(address.parameters(kept))

    def doing(alerts: decisions.AlertStore, actor: Actor) -> str:
        decisions.save_filter(alerts, actor, name, query)
        return f"Saved: {name.strip()}"

    outcome.write(doing)


def _delete(line: FilterLine) -> None:
    def doing(alerts: decisions.AlertStore, actor: Actor) -> str:
        decisions.delete_filter(alerts, actor, line.id)
        return f"Deleted: {line.name}"

    outcome.write(doing)


def suppressions(engine: Engine, actor: Actor) -> None:
    """What hides alerts: of which value, by whom, why and until when; to be lifted here."""
    lines = decisions.suppressions(engine, actor)
    hidden = sum(line.hidden for line in lines)
    label = f"Suppressed {formats.count(hidden)}" if lines else "Suppressions"
    with st.popover(label, icon=":material/visibility_off:", width="content"):
        if not lines:
            st.caption("Nothing is suppressed. A case offers to ignore one of its values for some days.")
        now = datetime.now(UTC).replace(tzinfo=None)
        for line in lines:
            _suppression(line, actor, now)


def _suppression(line: SuppressionLine, actor: Actor, now: datetime) -> None:
    until = (f"until {formats.when(line.until)} UTC" if line.active
             else f"expired {formats.age(line.until, now)} ago; what it hid stays hidden until it is lifted")
    with st.container(horizontal=True, vertical_alignment="center", width=560):
        st.html(
            f"<div class='suppression'><b>{formats.in_html(line.column)}</b> {formats.in_html(line.value)}"
            f"<span class='about'>{formats.plural(line.hidden, 'alert')} hidden · {formats.in_html(until)}<br>"
            f"{formats.in_html(line.author)}, {formats.when(line.created_at)}"
            f"{': ' + formats.in_html(line.reason) if line.reason else ''}</span></div>")
        may = actor.may("admin") or (line.author == actor.name and actor.may("analyst"))
        st.button("Lift", icon=":material/visibility:", on_click=_lift, args=(line,), key=f"lift_{line.id}",
                  disabled=not may, help=None if may else "Its author or an admin may lift it")


def _lift(line: SuppressionLine) -> None:
    def doing(alerts: decisions.AlertStore, actor: Actor) -> str:
        decisions.lift(alerts, actor, line.id)
        return f"Lifted: {formats.plural(line.hidden, 'alert')} in the queue again"

    outcome.write(doing)


def export(engine: Engine, actor: Actor, kept: Filters, total: int) -> None:
    """The filtered list as a file, which is made when it is asked for."""
    most = exporting.MOST_ROWS
    told = (f"The first {formats.count(most)} of {formats.count(total)} rows, in this order" if total > most
            else f"All {formats.count(total)} rows of this list")
    private = "" if actor.may("admin") and actor.sees_private else "; private columns are hidden"
    st.download_button(
        f"CSV, first {formats.count(most)}" if total > most else "CSV", partial(exporting.as_csv, engine, actor, kept),
        file_name=f"{kept.view}.csv", mime="text/csv", icon=":material/download:", on_click="ignore",
        disabled=not total, help=f"{told}{private}.")
