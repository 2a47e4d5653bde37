"""Verdicts on alerts, and what they do to the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from anomaly_cl.alerts.cases import UNSETTLED, Change, add_events, claim, in_parts, refresh
from anomaly_cl.alerts.models import VERDICTS, Alert, Case, Verdict
from anomaly_cl.alerts.people import author_name, free_text
from anomaly_cl.errors import UsageError


def decide(
    connection: Connection, alert_ids: Sequence[str], verdict: str, *, author: str, reason: str, note: str,
    versions: Mapping[int, int] | None, at: datetime,
) -> list[int]:
    """Give each of the alerts, named once or more, the verdict; gives the verdicts' ids.

    Raises UsageError for another verdict, no author, or an alert that is not in the store, StaleError if a case was
    changed after its version was read.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"a verdict must be one of {list(VERDICTS)}", f"it is {verdict!r}", "choose one of them")
    author = author_name(author, "a verdict")
    texts = {"reason": free_text(reason, "a reason"), "note": free_text(note, "a note")}
    ids = list(dict.fromkeys(alert_ids))
    case_of = _cases_of(connection, ids)
    cases = sorted(set(case_of.values()))
    number = f" on {len(ids)} alerts" if len(ids) > 1 else ""
    change = Change(f"verdict {verdict}{number}", author, at)
    claim(connection, cases, change, versions)
    given = {"verdict": verdict, "author": author, "created_at": at, **texts}
    verdict_ids: list[int] = []
    for some in in_parts(ids):
        connection.execute(update(Alert).where(Alert.id.in_(some)).values(verdict=verdict))
        verdict_ids += connection.scalars(insert(Verdict).returning(Verdict.id, sort_by_parameter_order=True),
                                          [given | {"alert_id": each} for each in some])
    for some in in_parts(cases):
        refresh(connection, select(Case.id).where(Case.id.in_(some)))
        _move(connection, some, change)
    return verdict_ids


def _cases_of(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The case of each alert; raises UsageError if one is not there."""
    found: dict[str, int] = {}
    for some in in_parts(ids):
        rows = connection.execute(select(Alert.id, Alert.case_id).where(Alert.id.in_(some)))
        found |= {row.id: row.case_id for row in rows}
    unknown = [each for each in ids if each not in found]
    if unknown:
        raise UsageError("a verdict must be about an alert of the store", f"there is no alert {unknown[0]!r}",
                         "take its id from the store")
    return found


def _move(connection: Connection, cases: Sequence[int], change: Change) -> None:
    """Cases with shown alerts that are all decided are closed; new ones are in review from their first verdict on."""
    left = select(func.count()).where(Alert.case_id == Case.id, Alert.suppression_id.is_(None), UNSETTLED)
    rows = connection.execute(select(Case.id, Case.state, Case.alerts_shown, left.scalar_subquery().label("left"))
                              .where(Case.id.in_(cases), Case.state != "closed")).all()
    done = [row.id for row in rows if row.alerts_shown and not row.left]
    begun = [row.id for row in rows if row.state == "new" and (row.left or not row.alerts_shown)]
    add_events(connection, done, "closed", change)
    add_events(connection, begun, "in review", change)
