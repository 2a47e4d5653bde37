"""Runs and alerts for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select

from anomaly_cl.alerts.models import Alert, Run
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
