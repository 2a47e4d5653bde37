"""Which pages are visited, and with which addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import address
import page_names
import queries
from filters import Filters
from sqlalchemy import Engine

from apps.benchmark.dashboard.plant import MODEL as PLANT_MODEL
from apps.benchmark.dashboard.questions import ADMIN, DAY, DAYS_LATER, Known

Visit = tuple[str, str, str, dict[str, str]]


def visits(engine: Engine, known: Known) -> list[Visit]:
    """(name, script, a part of its heading, query parameters) of each page."""
    of_run = {"run": known.run}
    return [
        ("Overview", page_names.OVERVIEW, "Overview", of_run), *_queue(engine, known),
        ("Case, the busiest entity's", page_names.CASE, known.entity, {"case": str(known.case)}),
        ("Map", page_names.MAP, "Map", of_run), ("Series", page_names.SERIES, "Series", {}),
        ("Model of rows", page_names.MODEL, "Model", {"model": known.model}),
        ("Model of series", page_names.MODEL, "Model", {"model": PLANT_MODEL}),
    ]


def _queue(engine: Engine, known: Known) -> list[Visit]:
    found = []
    for view in ("cases", "alerts"):
        every = Filters(view=view, state="open")
        last = queries.counts(engine, ADMIN, every)["open"] // queries.PAGE_SIZE
        asked: dict[str, tuple[Filters, dict[str, Any]]] = {
            "as it opens": (every, {}),
            "by amount": (replace(every, order="amount"), {}),
            "newest first": (replace(every, order="newest"), {}),
            "all, far page": (every, {"page": str(last)}),
            "search of a terminal": (replace(every, text="T-00777"), {}),
            "a week of a run, at risk 30 or more": (
                replace(every, run=known.run, since=DAY, until=DAYS_LATER, min_risk=30.0), {}),
            "of nobody": (replace(every, assignee="nobody"), {}),
        }
        found += [(f"Queue of {view}, {name}", page_names.QUEUE, "Queue", {**address.parameters(filters), **more})
                  for name, (filters, more) in asked.items()]
    return found
