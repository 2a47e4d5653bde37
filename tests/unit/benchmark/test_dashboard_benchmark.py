"""The benchmark of the dashboard, on a store of some hundred alerts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from sqlalchemy import func, select

from anomaly_cl.alerts.models import CASE_STATES, Alert, Case, EntityPast, Signal, Verdict
from anomaly_cl.alerts.store import open_store
from apps.benchmark.dashboard import building, plant, population, writes
from apps.benchmark.dashboard.building import build
from apps.benchmark.dashboard.pages import make_importable, page_times
from apps.benchmark.dashboard.population import Population
from apps.benchmark.dashboard.report import write

ALERTS, SPANS, MACHINES = 800, 20, 3


@pytest.fixture
def store_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for module, name, small in ((population, "POOL", 10), (population, "EXPLAINED", 5), (building, "ASSIGNED", 6),
                                (building, "SUPPRESSED", (3, 4)),
                                (plant, "SPANS", SPANS), (plant, "MACHINES", MACHINES), (plant, "POINTS", 50),
                                (writes, "BULK", 5), (writes, "MANY", 20), (writes, "NEW", 50)):
        monkeypatch.setattr(module, name, small)
    population.Pools.made.cache_clear()
    monkeypatch.setenv("ANOMALY_CL_STORE", "")  # what the pages set is taken back
    build(tmp_path / "alerts.sqlite", Population(ALERTS), lambda _: None)
    yield tmp_path / "alerts.sqlite"
    st.cache_resource.clear()
    population.Pools.made.cache_clear()


def test_all_is_measured_on_a_store_as_of_months_of_work(store_file: Path) -> None:
    with open_store(store_file) as store, store.engine.connect() as connection:
        def count(what: object, *conditions: object) -> int:
            return connection.scalar(select(func.count()).select_from(what).where(*conditions)) or 0

        assert count(Alert) == ALERTS + SPANS
        assert count(Verdict) == pytest.approx(building.DECIDED * ALERTS, abs=building.RUNS)
        assert count(Alert, Alert.suppression_id.is_not(None)) > 0
        assert count(Alert, Alert.explanation.is_not(None)) == 5 * building.RUNS
        assert set(connection.scalars(select(Case.state).distinct())) == set(CASE_STATES)
        assert count(Signal) == MACHINES
        customers = connection.scalar(select(func.count(func.distinct(Alert.entity))).where(
            Alert.entity_column == "customer"))
        assert count(EntityPast) >= (customers or 0) > 100

        make_importable()
        from apps.benchmark.dashboard.questions import Known, of_queue, others
        from apps.benchmark.dashboard.visits import visits

        known = Known.of(store.engine)
        for *_, question in [*of_queue(store.engine, known), *others(store.engine, known)]:
            question()
        pages = {script: (heading, parameters) for _, script, heading, parameters in visits(store.engine, known)}
    for script, (heading, parameters) in pages.items():
        assert min(one.wall for one in page_times(store_file, script, heading, parameters)) > 0
    assert len(list(writes.write_times(store_file, known, ALERTS))) == 6


def test_a_page_over_the_target_stands_out(tmp_path: Path) -> None:
    about = {"date": "2026-01-02", "alerts": 1_000, "megabytes": 5.0}
    lines = [{"part": "page", "what": "Queue", "of": "", "cpu": 0.5, "seconds": 0.6, "again": 0.4, "again_cpu": 0.3},
             {"part": "page", "what": "Map", "of": "", "cpu": 0.5, "seconds": 0.6, "again": 2.4, "again_cpu": 2.3},
             {"part": "query", "what": "open", "of": "cases: a page", "cpu": 0.01, "seconds": 0.01},
             {"part": "query", "what": "runs", "of": "", "cpu": 0.02, "seconds": 0.02},
             {"part": "write", "what": "one verdict", "of": "", "cpu": 0.03, "seconds": 0.04}]
    text = write(tmp_path / "report.md", pd.DataFrame([about | line for line in lines])).read_text("utf-8")
    for row in ("| Queue | 0.50 | 0.30 | yes |", "| Map | 0.50 | 2.30 | **no** |", "| open | 0.010 |",
                "| runs | 0.020 |", "| one verdict | 0.03 | 0.04 |"):
        assert row in text
