"""The main job on a public file of card transactions, where it lies beside the checkout."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.acceptance.test_command_line import run

TRAIN = "TX_FRAUD = 0 AND TX_DATETIME >= '2018-07-25' AND TX_DATETIME < '2018-08-01'"
TEST = "TX_DATETIME >= '2018-08-08' AND TX_DATETIME < '2018-08-15'"


@pytest.fixture(scope="module")
def folder(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handbook")
    file = shared_data / "handbook" / "transactions.parquet"
    run("fit", file, "--role", "TX_FRAUD=label", "--role", "TX_FRAUD_SCENARIO=ignore", "--where", TRAIN,
        "--out", folder / "model")
    run("score", folder / "model", file, "--where", TEST, "--keep", "TX_FRAUD", "--out", folder / "scored.parquet")
    return folder


def test_the_schema_finds_the_roles_that_a_person_would(folder):
    columns = json.loads(run("inspect", folder / "model", "--json").stdout)["schema"]["columns"]
    assert {name: column["role"] for name, column in columns.items()} == {
        "TRANSACTION_ID": "key", "TX_DATETIME": "time", "CUSTOMER_ID": "entity", "TERMINAL_ID": "entity",
        "TX_AMOUNT": "feature", "TX_TIME_SECONDS": "ignore", "TX_TIME_DAYS": "ignore", "TX_FRAUD": "label",
        "TX_FRAUD_SCENARIO": "ignore",
    }
    assert "time-like" in columns["TX_TIME_SECONDS"]["reason"]


def test_frauds_rank_high_and_every_row_is_accounted_for(folder):
    result = json.loads(run("evaluate", folder / "scored.parquet", "--label", "TX_FRAUD", "--json").stdout)
    assert result["rows"] == 67_080
    assert result["anomalies"] == 568
    assert result["auc_pr"] >= 0.12
    assert result["false_alarm_rate"] < 0.015
    rows = json.loads((folder / "scored.manifest.json").read_text())["rows"]
    assert rows["read"] == 1_370_827 == rows["filtered_out"] + rows["scored"] + rows["rejected"]


@pytest.mark.parametrize("batch_rows", [1_000, 100_000])
def test_the_size_of_the_batches_changes_no_score(folder, shared_data, batch_rows):
    file = shared_data / "handbook" / "transactions.parquet"
    some = f"{TEST} AND TX_DATETIME < '2018-08-09'"
    out = folder / f"batches_of_{batch_rows}.parquet"
    run("score", folder / "model", file, "--where", some, "--batch-rows", batch_rows, "--out", out)
    whole = pd.read_parquet(folder / "scored.parquet")["score"].to_numpy()
    part = pd.read_parquet(out)["score"].to_numpy()
    np.testing.assert_array_equal(part, whole[:len(part)])


def test_any_altered_file_of_the_model_is_named(folder):
    shutil.copytree(folder / "model", folder / "altered")
    for path in sorted((folder / "altered").iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
        assert path.name in run("inspect", folder / "altered", code=4).stderr
        path.write_bytes(content)
    run("inspect", folder / "altered")
