"""Values of private columns are in no message, no manifest and no file of rejected rows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Run
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.rows import read_records
from anomaly_cl.batch.score import score_file
from anomaly_cl.detectors.pair_table import PairTable
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table.read import open_rows
from tests.unit.detectors.made_up_payments import SCHEMA, fitted, payments

SECRET = "4711-secret"


def private(schema, *names):
    return Schema(tuple(replace(column, private=column.name in names) for column in schema.columns))


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"amount": np.exp(rng.normal(3, 1, 400)), "age": rng.normal(40, 5, 400),
                         "branch": rng.choice(["b-secret", "c-secret"], 400)})


@pytest.fixture(scope="module")
def detector(frame):
    schema = private(open_rows(frame).schema.assign({"branch": "segment"}), "age", "branch")
    return TabularDetector("none", schema=schema).fit(frame)


def test_rejected_rows_and_the_manifest_keep_no_private_value(detector, frame, tmp_path):
    rows = frame.astype({"age": str, "amount": str})
    rows.loc[3, "age"], rows.loc[5, "amount"] = SECRET, "many"
    (tmp_path / "in.csv").write_text(rows.to_csv(index=False) + f"{SECRET},1\n")
    score_file(detector, tmp_path / "in.csv", tmp_path / "out.parquet", store=str(tmp_path / "alerts.sqlite"))
    rejected = pq.read_table(tmp_path / "out.rejects.parquet").to_pandas().set_index("row_number")
    assert rejected["raw_value"].to_dict() == {3: "(private)", 5: "many", 400: "(private)"}
    told = (tmp_path / "out.manifest.json").read_text()
    assert "secret" not in told
    assert "(private) 0" in told
    with open_store(tmp_path / "alerts.sqlite") as store, Session(store.engine) as session:
        run = session.query(Run).one()
        assert run.private == ["age", "branch"]
        assert "secret" not in json.dumps(run.summary)


def test_rows_in_memory_are_refused_without_their_private_value(detector, frame):
    rows = frame.astype({"age": object})
    rows.loc[7, "age"] = SECRET
    with pytest.raises(InputError, match="row 7") as raised:
        detector.score(rows)
    assert SECRET not in str(raised.value)
    assert "(private)" in str(raised.value)


def test_an_open_quote_is_reported_without_the_row(detector, tmp_path):
    (tmp_path / "in.csv").write_text(f'amount,age,branch\n1,2,b\n1,2,"{SECRET}\n1,2,b\n')
    with pytest.raises(InputError, match="row 1") as raised:
        score_file(detector, tmp_path / "in.csv", tmp_path / "out.parquet")
    assert SECRET not in str(raised.value)


def test_private_keys_are_not_shown_in_errors():
    schema = private(Schema((Column("id", "categorical", "string", "key"),
                             Column("at", "datetime", "timestamp[us]", "time"))), "id")
    rows = pd.DataFrame({"id": [SECRET, "B"], "at": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    with pytest.raises(InputError, match="in both") as both, read_records(open_rows(rows, schema),
                                                                         open_rows(rows, schema), schema):
        pass
    verdicts = pd.DataFrame({"key": [SECRET] * 2, "found": ["fraud", "legitimate"], "at": rows["at"][[0, 0]]})
    with pytest.raises(InputError, match="at once") as torn:
        VerdictTable.read(verdicts, schema)
    with pytest.raises(InputError, match="none of") as unknown:
        VerdictTable.read(verdicts[:1], schema).history(rows_of(["A"]), np.zeros(1))
    pairs = pd.DataFrame({"one": [SECRET], "other": [SECRET], "same": ["same"]})
    table = PairTable.read(pairs, schema)
    with pytest.raises(InputError, match="are not") as missing:
        table.positions(rows_of(["A"]))
    for raised in (both, torn, unknown, missing):
        assert SECRET not in str(raised.value)
        assert "(private)" in str(raised.value)


def rows_of(keys):
    return pa.array(keys, pa.string())


def test_what_is_made_of_private_columns_is_private_too(tmp_path):
    given = payments(3_000, first=20, until=40)
    detector = fitted(given, schema=private(SCHEMA, "amount", "booked_at"))
    pq.write_table(given.new, tmp_path / "new.parquet")
    pq.write_table(given.before, tmp_path / "before.parquet")
    score_file(detector, tmp_path / "new.parquet", tmp_path / "out.parquet", history=tmp_path / "before.parquet",
               store=str(tmp_path / "alerts.sqlite"), policy="budget=20")
    with open_store(tmp_path / "alerts.sqlite") as store, Session(store.engine) as session:
        hidden = set(session.query(Run).one().private)
        words = {reason["column"]: reason["value"] for alert in session.query(Run).one().alerts
                 for reason in alert.reasons}
    assert {"amount", "booked_at", "amount for customer_id", "hour of day of customer_id"} <= hidden
    assert "channel for customer_id" not in hidden
    assert any(name not in hidden for name in words)
