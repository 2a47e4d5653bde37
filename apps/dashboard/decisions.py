"""The only door through which the dashboard writes: each function refuses a role that may not, and says who wrote.

A write passes the versions of the cases as the page showed them. If one has changed since, StaleError is raised and
nothing is written; `changed_since` tells which and by whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from access import Actor
from case_queries import open_alerts
from masking import Mask
from queries import CASE_LINE, case_lines, everywhere
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import aliased

from anomaly_cl.alerts.models import Alert, Case, SavedFilter, Suppression
from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.errors import StaleError, UsageError

MOST_SUPPRESSIONS = 200


@dataclass(frozen=True)
class Changed:
    """A case that is no longer as it was read: what was written last, by whom ("" is the program) and when (UTC)."""

    case_id: int
    title: str
    what: str
    by: str
    at: datetime


@dataclass(frozen=True)
class SuppressionLine:
    """A suppression that still hides alerts or will, and how many it hides."""

    id: int
    column: str
    value: str
    until: datetime
    active: bool
    reason: str
    author: str
    created_at: datetime
    hidden: int


def decide(store: AlertStore, actor: Actor, alert_ids: Sequence[str], verdict: str, *, reason: str, note: str,
           versions: Mapping[int, int]) -> int:
    """One verdict on these alerts, all or none; gives their number."""
    actor.must_be("analyst", "giving a verdict")
    return store.decide(alert_ids, verdict, author=actor.name, reason=reason, note=note, versions=versions)


def decide_cases(store: AlertStore, actor: Actor, versions: Mapping[int, int], verdict: str, *, reason: str,
                 note: str) -> int:
    """One verdict on all open alerts of these cases, as read at these versions, all or none; gives their number."""
    actor.must_be("analyst", "giving a verdict")
    # also a case whose alerts others have closed meanwhile, so that none is open, has changed
    if any(changed_since(store.engine, actor, versions)):
        raise StaleError("cases must not have changed since they were read", "some have", "read them again")
    ids = open_alerts(store.engine, list(versions))
    if not ids:
        raise UsageError("a verdict on cases is one on their open alerts", "none of these has an open alert",
                         "open a case to change the verdict of an alert in it")
    return decide(store, actor, ids, verdict, reason=reason, note=note, versions=versions)


def set_state(store: AlertStore, actor: Actor, case_id: int, state: str, *, version: int, note: str = "") -> None:
    actor.must_be("analyst", "changing the state of a case")
    store.set_state(case_id, state, author=actor.name, version=version, note=note)


def assign(store: AlertStore, actor: Actor, case_id: int, assignee: str | None, *, version: int) -> None:
    actor.must_be("analyst", "assigning a case")
    store.assign(case_id, assignee, author=actor.name, version=version)


def add_note(store: AlertStore, actor: Actor, case_id: int, note: str, *, version: int) -> None:
    actor.must_be("analyst", "adding a note")
    store.add_note(case_id, note, author=actor.name, version=version)


def suppress(store: AlertStore, actor: Actor, column: str, value: Any, *, days: int, reason: str) -> int:
    """Keep alerts with this value out of the queue for some days; gives the number of alerts that are hidden now."""
    actor.must_be("analyst", "suppressing alerts")
    number = store.suppress(column, value, until=datetime.now(UTC) + timedelta(days=days), author=actor.name,
                            reason=reason)
    with store.engine.connect() as connection:
        hidden = select(func.count()).select_from(Alert).where(Alert.suppression_id == number)
        return connection.scalar(hidden) or 0


def lift(store: AlertStore, actor: Actor, suppression_id: int) -> None:
    """End a suppression: one's own, or as admin anybody's."""
    actor.must_be("analyst", "lifting a suppression")
    with store.engine.connect() as connection:
        author = connection.scalar(select(Suppression.author).where(Suppression.id == suppression_id))
    if author != actor.name:
        actor.must_be("admin", "lifting what somebody else suppressed")
    store.lift(suppression_id, author=actor.name)


def save_filter(store: AlertStore, actor: Actor, name: str, query: str) -> None:
    actor.must_be("analyst", "saving a filter")
    store.save_filter(name, query, author=actor.name)


def delete_filter(store: AlertStore, actor: Actor, filter_id: int) -> None:
    """Delete a saved filter: one's own, or as admin anybody's."""
    actor.must_be("analyst", "deleting a filter")
    with store.engine.connect() as connection:
        author = connection.scalar(select(SavedFilter.author).where(SavedFilter.id == filter_id))
    if author is not None and author != actor.name:
        actor.must_be("admin", "deleting somebody else's filter")
    store.delete_filter(filter_id, author=author or actor.name)


def changed_since(engine: Engine, actor: Actor, versions: Mapping[int, int]) -> list[Changed]:
    """Which of these cases have been written to since they were read at these versions."""
    told = (Case.changed_what, Case.changed_by, Case.changed_at)
    with engine.connect() as store:
        rows = store.execute(select(*CASE_LINE, *told).where(Case.id.in_(list(versions)))).mappings().all()
        rows = [row for row in rows if row["version"] != versions[row["id"]]]
        names = {column.name for column in told}
        lines = case_lines(store, actor, [{name: row[name] for name in row if name not in names} for row in rows])
    return [Changed(line.id, line.title, _what(actor, row["changed_what"]), row["changed_by"], row["changed_at"])
            for line, row in zip(lines, rows, strict=True)]


def _what(actor: Actor, what: str) -> str:
    """What was written, without the value of a suppression for those who see no private columns."""
    return "a suppression" if what.startswith("suppression of ") and not actor.sees_private else what


def suppressions(engine: Engine, actor: Actor) -> list[SuppressionLine]:
    """Those that are active, and expired ones that still hide alerts; the newest first, at most 200."""
    now, lifting = datetime.now(UTC).replace(tzinfo=None), aliased(Suppression)
    hidden = select(func.count()).where(Alert.suppression_id == Suppression.id).scalar_subquery()
    active = (Suppression.until > now).label("active")
    columns = (Suppression.id, Suppression.column.label("column"), Suppression.value, Suppression.until, active,
               Suppression.reason, Suppression.author, Suppression.created_at, hidden.label("hidden"))
    query = select(*columns).where(
        Suppression.lifts.is_(None), ~select(lifting.id).where(lifting.lifts == Suppression.id).exists(),
        active.element | (hidden > 0),
    ).order_by(Suppression.id.desc()).limit(MOST_SUPPRESSIONS)
    with engine.connect() as store:
        mask: Mask = everywhere(store, actor)
        return [SuppressionLine(**{**row, "active": bool(row["active"]),
                                   "value": mask.entity(row["column"], row["value"])})
                for row in store.execute(query).mappings()]
