"""Runs and alerts for the tests of the store."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from anomaly_cl.alerts.models import Alert, Case, Run
from anomaly_cl.alerts.store import AlertStore, alert_id, run_id

NOW = datetime(2018, 8, 15, 6, 0)


def a_run(policy: str = "alpha=0.01", *, model: str = "model", file: str = "file", **changed: Any) -> Run:
    values = {
        "id": run_id(model, file, "", policy), "model_id": model, "input_name": "week.parquet", "input_hash": file,
        "where_clause": "", "policy": policy, "rows_in": 1000, "rows_scored": 990, "rows_rejected": 10,
        "alerts_raised": 3, "summary": {"days": [["2018-08-08", 990, 3]]}, "created_at": NOW,
    }
    return Run(**{**values, **changed})


def an_alert(run: Run, row: int, **changed: Any) -> Alert:
    key = changed.get("key", f"TX-{row}")
    values = {
        "id": alert_id(run.model_id, key, run.input_hash, row), "row_number": row, "key": key, "name": f"{key} C-1",
        "occurred_at": NOW, "score": 9.5, "p_value": 1e-4, "p_tail": 1e-9, "risk": 90.0, "segment": None,
        "entity_column": "customer", "entity": "C-1", "entities": {"customer": "C-1"},
        "record": {"amount": 4310.25}, "typical": {"amount": 52.0},
        "reasons": [{"column": "amount", "contribution": 7.5, "value": "4310.25", "typical": "52"}],
        "neighbours": [{"amount": 50.0}], "verdict": None, "created_at": NOW,
    }
    return Alert(**{**values, **changed})


def alerts(run: Run, *rows: int) -> Iterator[Alert]:
    return (an_alert(run, row) for row in rows)


def case_of(store: AlertStore, alert: str) -> int:
    """The id of the case of an alert."""
    with store.engine.connect() as connection:
        return connection.execute(select(Alert.case_id).where(Alert.id == alert)).scalar_one()


def read_case(store: AlertStore, case_id: int) -> Any:
    """All columns of a case."""
    with store.engine.connect() as connection:
        return connection.execute(select(Case.__table__).where(Case.id == case_id)).one()


def assert_cases_agree_with_alerts(store: AlertStore) -> None:
    """Each case holds the alerts of its entity and says what they say together, counted in Python."""
    with Session(store.engine) as session:
        cases = session.scalars(select(Case).options(selectinload(Case.alerts))).all()
    not_closed = [(case.entity_column, case.entity) for case in cases if case.state != "closed"]
    assert len(not_closed) == len(set(not_closed))
    for case in cases:
        shown = [alert for alert in case.alerts if alert.suppression_id is None]
        given = {alert.verdict for alert in shown}
        times = [alert.occurred_at for alert in shown if alert.occurred_at is not None]
        amounts = [alert.amount for alert in shown if alert.amount is not None]
        assert case.alerts
        assert {(alert.entity_column or "", alert.entity or alert.id) for alert in case.alerts} == {
            (case.entity_column, case.entity)}
        assert (case.alerts_shown, case.alerts_open) == (
            len(shown), sum(alert.verdict is None for alert in shown))
        assert case.risk == max((alert.risk for alert in shown), default=0.0)
        assert (case.amount is None) == (not amounts)
        assert math.isclose(case.amount or 0.0, sum(amounts), rel_tol=1e-12)
        assert (case.first_at, case.last_at) == (min(times, default=None), max(times, default=None))
        assert case.verdict == next((each for each in ("fraud", "unsure", "legitimate") if each in given), None)
