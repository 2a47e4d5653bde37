"""Verdicts of the store, as detectors read them."""

from __future__ import annotations

import pandas as pd
from made_up_rows import a_run, alerts, an_alert

from anomaly_cl.alerts.confirmed import verdict_rows
from anomaly_cl.alerts.store import alert_id
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.schema import Column, Schema

SCHEMA = Schema((Column("id", "categorical", "string", "key"),))


def decide(store, row, verdict, model="model", key=True):
    store.add_verdict(alert_id(model, f"TX-{row}" if key else None, "file", row), verdict, author="ann")


def test_decided_alerts_become_rows_of_key_verdict_and_time(store):
    run = a_run()
    store.add_run(run, alerts(run, 1, 2, 3, 4))
    before = pd.Timestamp.now("UTC").tz_localize(None)
    for row, verdict in ((1, "fraud"), (2, "fraud"), (3, "unsure"), (2, "legitimate")):
        decide(store, row, verdict)
    rows = verdict_rows(store).to_pandas()
    assert dict(zip(rows["key"], rows["verdict"], strict=True)) == {
        "TX-1": "fraud", "TX-2": "legitimate", "TX-3": "unsure"}
    assert rows["decided_at"].between(before, pd.Timestamp.now("UTC").tz_localize(None)).all()


def test_a_record_alerted_by_two_models_has_its_latest_verdict(store):
    for model in ("old", "new"):
        run = a_run(model=model)
        store.add_run(run, alerts(run, 1))
    decide(store, 1, "legitimate", "new")
    decide(store, 1, "fraud", "old")
    table = VerdictTable.read(verdict_rows(store), SCHEMA)
    assert (table.keys.to_pylist(), table.is_fraud.tolist()) == (["TX-1"], [True])


def test_alerts_without_a_key_are_left_out(store):
    run = a_run()
    store.add_run(run, [an_alert(run, 5, key=None, name="C-1")])
    decide(store, 5, "fraud", key=False)
    assert verdict_rows(store).num_rows == 0
