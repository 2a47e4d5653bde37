"""Events on a public file of card transactions, where it lies beside the checkout: fit, score, confirm, evaluate."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.acceptance.test_command_line import run

pytestmark = pytest.mark.slow

NORMAL = "TX_FRAUD = 0 AND TX_DATETIME >= '2018-07-25' AND TX_DATETIME < '2018-08-01'"
TEST = "TX_DATETIME >= '2018-08-08' AND TX_DATETIME < '2018-08-15'"
ROLES = ("--role", "TX_FRAUD=label", "--role", "TX_FRAUD_SCENARIO=ignore")


@pytest.fixture(scope="module")
def file(shared_data):
    return shared_data / "handbook" / "transactions.parquet"


@pytest.fixture(scope="module")
def folder(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handbook")
    run("fit", file, "--detector", "events", *ROLES, "--where", NORMAL, "--history", file, "--history-where",
        "TX_DATETIME < '2018-07-25'", "--out", folder / "model")
    return folder


def scored(folder, file, model, name, *more):
    out = folder / name
    run("score", folder / model, file, "--where", TEST, "--history", file, "--history-where",
        "TX_DATETIME < '2018-08-08'", "--keep", "TX_FRAUD", "--keep", "TX_FRAUD_SCENARIO", "--out", out, *more)
    return json.loads(run("evaluate", out, "--label", "TX_FRAUD", "--entity", "CUSTOMER_ID", "--time", "TX_DATETIME",
                          "--budget", 100, "--kind", "TX_FRAUD_SCENARIO", "--json").stdout)


def test_frauds_against_the_customers_own_past_are_found_without_labels(folder, file):
    found = scored(folder, file, "model", "one_class.parquet")
    assert found["auc_pr"] > 0.28  # records by themselves: .18
    manifest = json.loads((folder / "one_class.manifest.json").read_text())
    assert manifest["history"]["rows"]["accepted"] > 1_000_000
    assert manifest["rows"]["in"] == manifest["rows"]["scored"] + manifest["rows"]["rejected"]


def test_verdicts_of_a_week_ago_find_what_no_record_shows(folder, file):
    rows = pd.read_parquet(file, columns=["TRANSACTION_ID", "TX_DATETIME", "TX_FRAUD"])
    rows = rows[rows["TX_DATETIME"] < "2018-08-15"]
    verdicts = pd.DataFrame({"key": rows["TRANSACTION_ID"], "verdict": np.where(rows["TX_FRAUD"] == 1, "fraud", "no"),
                             "decided_at": rows["TX_DATETIME"] + pd.Timedelta(days=7)})
    verdicts.to_parquet(folder / "all.parquet", index=False)
    verdicts[verdicts["decided_at"] < "2018-08-08"].to_parquet(folder / "known.parquet", index=False)
    run("confirm", folder / "model", file, "--where", "TX_DATETIME >= '2018-06-27' AND TX_DATETIME < '2018-07-25'",
        "--history", file, "--history-where", "TX_DATETIME < '2018-06-27'", "--verdicts", folder / "known.parquet",
        "--out", folder / "confirmed")
    found = scored(folder, file, "confirmed", "confirmed.parquet", "--verdicts", folder / "all.parquet")
    assert found["auc_pr"] > 0.7
