"""What the dashboard asks the store, question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import case_queries
import decisions
import insight_queries
import queries
from access import Actor
from filters import Filters
from sqlalchemy import Engine, func, select

from anomaly_cl.alerts.models import Alert, Case

ADMIN, VIEWER = Actor("m.keller", "admin", sees_private=True), Actor("v.moser", "viewer")
DAY, DAYS_LATER = date(2025, 5, 10), date(2025, 5, 17)


@dataclass(frozen=True)
class Known:
    """What of a store the questions are about: its busiest case, the riskiest alert of it, and a run."""

    case: int
    alert: str
    entity: str
    run: str
    model: str

    @classmethod
    def of(cls, engine: Engine) -> Known:
        with engine.connect() as store:
            case = store.scalars(select(Alert.case_id).group_by(Alert.case_id)
                                 .order_by(func.count().desc()).limit(1)).one()
            entity = store.scalars(select(Case.entity).where(Case.id == case)).one()
            first = store.execute(select(Alert.id, Alert.run_id).where(Alert.case_id == case)
                                  .order_by(Alert.risk.desc()).limit(1)).one()
        run = queries.run(engine, first.run_id)
        assert run is not None
        return cls(case, first.id, entity, run.id, run.model_id)


def lists(known: Known) -> dict[str, dict[str, Any]]:
    """Filters of the queue by what they are called, besides the view."""
    return {
        "open, by risk": {"state": "open"},
        "all, by risk": {},
        "fraud": {"state": "fraud"}, "legitimate": {"state": "legitimate"}, "suppressed": {"state": "suppressed"},
        "open, by amount": {"state": "open", "order": "amount"},
        "open, newest first": {"state": "open", "order": "newest"},
        "open, oldest first": {"state": "open", "order": "oldest"},
        "open, risk at least 40": {"state": "open", "min_risk": 40.0},
        "open, risk at least 40, by amount": {"state": "open", "min_risk": 40.0, "order": "amount"},
        "open, of one run": {"state": "open", "run": known.run},
        "open, of one week": {"state": "open", "since": DAY, "until": DAYS_LATER},
        "open, mine": {"state": "open", "assignee": "mine"},
        "open, of nobody": {"state": "open", "assignee": "nobody"},
        "search of a customer": {"text": known.entity},
        "search of a terminal, by amount": {"text": "T-00777", "order": "amount"},
        "search of a common text": {"state": "open", "text": "C-0"},
        "search of what is not there": {"text": "no such name"},
        "search within a week and a run": {"text": "T-00777", "run": known.run, "since": DAY, "until": DAYS_LATER},
    }


def of_queue(engine: Engine, known: Known) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """(filters, what is read, the question) of both views of the queue."""
    for view, read in (("cases", queries.cases), ("alerts", queries.alerts)):
        for name, given in lists(known).items():
            filters = Filters(view=view, **given)
            yield name, f"{view}: a page", partial(read, engine, ADMIN, filters)
            yield name, f"{view}: counts", partial(queries.counts, engine, ADMIN, filters)
        every = Filters(view=view)
        far = queries.counts(engine, ADMIN, every)[None] // queries.PAGE_SIZE
        yield "all, the last page", f"{view}: a page", partial(read, engine, ADMIN, every, far)
        for name, filters in (("open, by risk, as a viewer", Filters(view=view, state="open")),
                              ("search of a terminal, as a viewer", Filters(view=view, text="T-00777"))):
            yield name, f"{view}: a page", partial(read, engine, VIEWER, filters)
            yield name, f"{view}: counts", partial(queries.counts, engine, VIEWER, filters)


def others(engine: Engine, known: Known) -> Iterator[tuple[str, Callable[[], Any]]]:
    """(name, the question) of the other pages."""
    alert = case_queries.alert(engine, ADMIN, known.alert)
    assert alert is not None
    yield "runs", lambda: queries.runs(engine)
    yield "saved filters", lambda: queries.saved_filters(engine)
    yield "suppressions", lambda: decisions.suppressions(engine, ADMIN)
    yield "the busiest case", lambda: case_queries.case(engine, ADMIN, known.case)
    yield "its alerts", lambda: case_queries.alerts_of_case(engine, ADMIN, known.case)
    yield "one alert", lambda: case_queries.alert(engine, ADMIN, known.alert)
    yield "history of the case", lambda: case_queries.history(engine, ADMIN, known.case)
    yield "past of the entity", lambda: case_queries.past(engine, ADMIN, alert)
    yield "similar alerts", lambda: case_queries.similar_alerts(engine, ADMIN, alert)
    for view, row in (("cases", known.case), ("alerts", known.alert)):
        for order in ("risk", "amount", "newest"):
            filters = Filters(view=view, state="open", order=order)
            yield f"place in the list of {view}, by {order}", partial(queries.place, engine, ADMIN, filters, row)
    yield "counts of a run by verdict", lambda: queries.state_counts(engine, Filters(run=known.run))
    yield "work that waits", lambda: insight_queries.workload(engine, ADMIN)
    yield "verdicts a day", lambda: insight_queries.verdicts_a_day(engine, known.run)
    yield "points of the map", lambda: insight_queries.map_points(engine, known.run)
    yield "alerts of a part of the map", lambda: insight_queries.alerts_within(engine, ADMIN, known.run, (0, 0), (2, 2))
    yield "models", lambda: insight_queries.models(engine)
    yield "one model", lambda: insight_queries.model(engine, ADMIN, known.model)
