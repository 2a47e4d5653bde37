"""What the queue shows and in which order, as SQL over the indexed columns of cases and alerts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, TypeVar

from access import Actor
from sqlalchemy import Boolean, ColumnElement, Select, Text, and_, cast, func, literal, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement

from anomaly_cl.alerts.models import CASE_STATES, VERDICTS, Alert, Case, Run

View = Literal["cases", "alerts"]
VIEWS: tuple[View, ...] = ("cases", "alerts")
SUPPRESSED = "suppressed"
STATES: dict[View, tuple[str, ...]] = {
    "cases": ("open", *CASE_STATES, *VERDICTS, SUPPRESSED),
    "alerts": ("open", *VERDICTS, SUPPRESSED),
}
ASSIGNEES = ("mine", "nobody")
ORDERS = ("risk", "amount", "newest", "oldest")
EVERYTHING = Actor("", sees_private=True)
LIKE_SIGNS = re.compile(r"([%_/])")
NOTHING_PRIVATE = ("[]", "null")  # as the store writes them
Selected = TypeVar("Selected", bound=Select[Any])


class Holds(FunctionElement[bool]):
    """Whether a text is like a pattern, without regard to the case of ASCII letters; "/" escapes.

    SQLite's LIKE has no regard to it anyway: the calls of lower() that a portable ILIKE adds take as long as all else.
    """

    name = "holds"
    type = Boolean()
    inherit_cache = True


@compiles(Holds, "sqlite")
def _like(element: Holds, compiler: Any, **options: Any) -> str:
    held, pattern = element.clauses
    return f"{compiler.process(held, **options)} LIKE {compiler.process(pattern, **options)} ESCAPE '/'"


@compiles(Holds, "postgresql")
def _ilike(element: Holds, compiler: Any, **options: Any) -> str:
    return _like(element, compiler, **options).replace(" LIKE ", " ILIKE ", 1)


@dataclass(frozen=True)
class Filters:
    """What the queue shows and in which order; None and empty leave out a condition. Dates are inclusive.

    States of cases: open (not closed), new, in review, closed, a verdict, or suppressed (no alert is shown); of
    alerts: open (without a verdict), a verdict, or suppressed. What is suppressed is shown in that state only.
    Of a case, risk and text are those of any of its alerts, and the dates those of its last record.
    """

    view: View = "alerts"
    run: str | None = None
    state: str | None = None
    assignee: str | None = None
    min_risk: float = 0.0
    text: str = ""
    since: date | None = None
    until: date | None = None
    order: str = "risk"

    def conditions(self, actor: Actor = EVERYTHING, *, in_any_state: bool = False) -> list[ColumnElement[bool]]:
        """The SQL conditions on rows of the view; "mine" are the actor's, whose search finds no private values."""
        listed = _case_conditions(self, actor) if self.view == "cases" else _alert_conditions(self, actor)
        if not in_any_state:
            listed.append(in_case_state(self.state) if self.view == "cases" else in_alert_state(self.state))
        time = Case.last_at if self.view == "cases" else Alert.occurred_at
        risk = Case.risk if self.view == "cases" else Alert.risk
        if self.min_risk > 0:
            listed.append(risk >= self.min_risk)
        if self.since:
            listed.append(time >= _midnight(self.since))
        if self.until:
            listed.append(time < _midnight(self.until) + timedelta(days=1))
        return listed


@dataclass(frozen=True)
class Sorting:
    """A total order: by a column, what has no value last, then by id."""

    column: InstrumentedAttribute[Any]
    id: InstrumentedAttribute[Any]
    descending: bool

    def of(self, query: Selected, *, backwards: bool = False) -> Selected:
        """The query in this order, or in the opposite one."""
        falling = self.descending != backwards
        by, then = (self.column.desc(), self.id.desc()) if falling else (self.column.asc(), self.id.asc())
        if self.column.nullable:  # said only where it matters: PostgreSQL's indexes keep nulls at the other end
            by = by.nulls_first() if backwards else by.nulls_last()
        return query.order_by(by, then)

    def beside(self, value: Any, row_id: Any, *, before: bool) -> ColumnElement[bool]:
        """Condition of standing before, or after, the row with this value and id."""
        higher = self.descending == before
        if value is None:
            further = self.id > row_id if higher else self.id < row_id
            same = and_(self.column.is_(None), further)
            return or_(self.column.is_not(None), same) if before else same
        pair = tuple_(self.column, self.id)
        this = tuple_(literal(value, self.column.type), literal(row_id))
        passed = pair > this if higher else pair < this
        return or_(passed, self.column.is_(None)) if self.column.nullable and not before else passed


def sorting(filters: Filters) -> Sorting:
    """How the list is sorted. The oldest case is the one that was opened first."""
    if filters.view == "cases":
        columns = {"risk": Case.risk, "amount": Case.amount, "newest": Case.last_at, "oldest": Case.opened_at}
        return Sorting(columns[filters.order], Case.id, filters.order != "oldest")
    times = {"newest": Alert.occurred_at, "oldest": Alert.occurred_at}
    return Sorting({"risk": Alert.risk, "amount": Alert.amount, **times}[filters.order], Alert.id,
                   filters.order != "oldest")


def in_case_state(state: str | None) -> ColumnElement[bool]:
    """Condition on cases; None means all that show an alert."""
    shown = Case.alerts_shown > 0
    if state is None:
        return shown
    if state == SUPPRESSED:
        return Case.alerts_shown == 0
    if state == "open":
        return and_(shown, Case.state != "closed")
    return and_(shown, Case.state == state if state in CASE_STATES else Case.verdict == state)


def in_alert_state(state: str | None) -> ColumnElement[bool]:
    """Condition on alerts; None means all that are not suppressed."""
    shown = Alert.suppression_id.is_(None)
    if state is None:
        return shown
    if state == SUPPRESSED:
        return Alert.suppression_id.is_not(None)
    return and_(shown, Alert.verdict.is_(None) if state == "open" else Alert.verdict == state)


def _case_conditions(filters: Filters, actor: Actor) -> list[ColumnElement[bool]]:
    met = []
    if filters.assignee:
        met.append(_assigned(filters.assignee, actor))
    if filters.run:
        met.append(_unsought(Case.id).in_(select(Alert.case_id).where(of_run(filters.run))))
    if text := filters.text.strip():
        met.append(_unsought(Case.id).in_(select(Alert.case_id).where(_named(text, actor))))
    return met


def _alert_conditions(filters: Filters, actor: Actor) -> list[ColumnElement[bool]]:
    met = []
    if filters.assignee:
        met.append(_unsought(Alert.case_id).in_(select(Case.id).where(_assigned(filters.assignee, actor))))
    if filters.run:
        met.append(of_run(filters.run))
    if text := filters.text.strip():
        met.append(_named(text, actor))
    return met


def of_run(run_id: str) -> ColumnElement[bool]:
    return func.coalesce(Alert.run_id, "") == run_id  # see _unsought


def _unsought(number: InstrumentedAttribute[int]) -> ColumnElement[int]:
    """The column in a form that no index begins with.

    Sought by it, SQLite would read the many rows that a run or a wide search has one by one and sort them; it is to go
    through the index of the list's order, which holds all that is asked, and to stop when the page is full.
    """
    return number + 0


def _named(text: str, actor: Actor) -> ColumnElement[bool]:
    """Whether the text is in an alert's key or entities; these may be private wherever a run has private columns."""
    escaped = LIKE_SIGNS.sub(r"/\1", text)
    found = Holds(Alert.name, literal(f"%{escaped}%"))
    if actor.sees_private:
        return found
    return and_(found, Alert.run_id.in_(select(Run.id).where(cast(Run.private, Text).in_(NOTHING_PRIVATE))))


def _assigned(assignee: str, actor: Actor) -> ColumnElement[bool]:
    return Case.assignee == actor.name if assignee == "mine" else Case.assignee.is_(None)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)
