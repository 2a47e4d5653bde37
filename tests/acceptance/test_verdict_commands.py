"""Verdicts of the alert store as a label file, and a model that learns from it."""

from __future__ import annotations

import pandas as pd
import pytest
from sqlalchemy import select

from anomaly_cl import load
from anomaly_cl.alerts.confirmed import verdict_rows
from anomaly_cl.alerts.models import Alert
from anomaly_cl.alerts.store import open_store
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.table.read import open_rows
from tests.acceptance.test_command_line import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Transactions, some of whose keys look like formulas, a model of rows, its alerts, and verdicts on them."""
    folder = tmp_path_factory.mktemp("verdicts")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 1_500, "--seed", 3, "--fraud-share", 0.03)
    rows = pd.read_csv(folder / "all.csv", dtype=str)
    rows["transaction_id"] = [f"{mark}T{key}" for mark, key in
                              zip(["=", "'", "-", "", "@", "+"] * 250, rows["transaction_id"], strict=True)]
    rows.to_csv(folder / "all.csv", index=False)
    run("fit", folder / "all.csv", "--out", folder / "model", "--pretraining", "none", "--where", "is_fraud = 0",
        "--role", "transaction_id=key", "--role", "is_fraud=label")
    run("score", folder / "model", folder / "all.csv", "--out", folder / "scored.parquet", "--alerts-at", "budget=40",
        "--store", folder / "alerts.sqlite")
    frauds = set(rows.loc[rows["is_fraud"] == "1", "transaction_id"])
    with open_store(folder / "alerts.sqlite") as store, store.engine.connect() as connection:
        alerts = connection.execute(select(Alert.id, Alert.key).order_by(Alert.id)).all()
        store.decide([each.id for each in alerts if each.key not in frauds], "legitimate", author="ann")
        store.decide([each.id for each in alerts if each.key in frauds], "fraud", author="ann")
        store.decide([alerts[0].id], "unsure", author="ann")
    return folder


def test_one_file_is_read_by_all_that_learn_from_verdicts(folder):
    models = set()
    for name in ("labels.csv", "labels.parquet"):
        said = run("verdicts", "--store", folder / "alerts.sqlite", "--out", folder / name).stdout
        assert "verdicts of 40 records" in said
        assert "1 unsure" in said
        said = run("refine", folder / "model", folder / "all.csv", "--verdicts", folder / name, "--out",
                   folder / f"refined by {name}").stdout
        assert "learned from 39 records with a verdict" in said
        models.add(load(folder / f"refined by {name}").model_id_)
    run("refine", folder / "model", folder / "all.csv", "--store", folder / "alerts.sqlite",
        "--out", folder / "refined")
    models.add(load(folder / "refined").model_id_)
    assert len(models) == 1
    assert models != {load(folder / "model").model_id_}
    schema = load(folder / "model").schema_
    with open_store(folder / "alerts.sqlite") as store:
        direct = VerdictTable.read(verdict_rows(store), schema)
    for name in ("labels.csv", "labels.parquet"):
        told = VerdictTable.read(folder / name, schema)
        assert told.keys.equals(direct.keys)
        assert (told.is_fraud == direct.is_fraud).all()
        assert (told.decided_at == direct.decided_at).all()


def test_rows_with_a_verdict_are_found_by_key_in_python_too(folder):
    run("verdicts", "--store", folder / "alerts.sqlite", "--out", folder / "labels.csv", "--final-only")
    detector = load(folder / "model")
    assert set(pd.read_csv(folder / "labels.csv")["verdict"]) == {"fraud", "legitimate"}
    rows, labels = VerdictTable.read(folder / "labels.csv", detector.schema_).labelled(
        open_rows(folder / "all.csv", detector.schema_))
    known = pd.read_csv(folder / "all.csv").set_index("transaction_id")["is_fraud"]
    assert known[rows.column("transaction_id").to_pylist()].tolist() == labels.tolist()
    assert len(labels) == 39


def test_no_cell_of_a_csv_file_begins_like_a_formula(folder):
    run("verdicts", "--store", folder / "alerts.sqlite", "--out", folder / "labels.csv")
    cells = pd.read_csv(folder / "labels.csv", dtype=str).to_numpy().ravel()
    assert not [cell for cell in cells if cell[0] in "=+-@"]
    assert [cell for cell in cells if cell[:2] == "'="]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["verdicts", "--store", "alerts.sqlite", "--out", "labels.xlsx"], 2, "ends in .csv or .parquet"),
    (["verdicts", "--store", "nowhere.sqlite", "--out", "labels.csv"], 3, "nowhere.sqlite"),
    (["verdicts", "--store", "alerts.sqlite", "--out", "nowhere/labels.csv"], 2, "folder to write to must exist"),
    (["refine", "model", "all.csv", "--out", "m"], 2, "give one of them"),
    (["refine", "model", "all.csv", "--out", "m", "--verdicts", "l.csv", "--store", "alerts.sqlite"], 2, "give one"),
    (["refine", "model", "all.csv", "--out", "model", "--store", "alerts.sqlite"], 2, "another folder"),
    (["refine", "model", "all.csv", "--out", "m", "--verdicts", "nobody.csv"], 3, "is the key of a record"),
])
def test_errors_say_what_is_wrong_and_end_with_their_code(folder, monkeypatch, words, code, said):
    monkeypatch.chdir(folder)
    (folder / "nobody.csv").write_text("key,verdict,at\nnobody,fraud,2026-03-01\n")
    before = sorted(folder.iterdir())
    assert said in run(*words, code=code).stderr
    assert sorted(folder.iterdir()) == before
