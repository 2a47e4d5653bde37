"""Records explained on the command line: found by key or row number, as text whatever they hold."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from anomaly_cl import load
from tests.acceptance.test_command_line import run

HOSTILE = "[bold red]FREE[/] \x1b[31m=cmd()<script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Orders of an open shop, a model of them, and new ones: one of a hostile shop and a huge amount, others usual."""
    folder = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(0)

    def orders(n_rows, first):
        return pd.DataFrame({"order_id": [f"T{first + i}" for i in range(n_rows)],
                             "amount": rng.lognormal(3, 0.5, n_rows).round(2), "items": rng.poisson(3, n_rows) + 1,
                             "shop": rng.choice(["books", "food", "garden"], n_rows)})

    new = orders(20, 5_000)
    new.loc[3, ["amount", "shop"]] = [4_310.0, HOSTILE]
    orders(800, 0).to_csv(folder / "normal.csv", index=False)
    new.to_csv(folder / "new.csv", index=False)
    run("fit", folder / "normal.csv", "--out", folder / "model", "--pretraining", "none", "--detector", "tabular")
    return folder


def test_a_record_is_found_by_its_key_and_told_in_full(folder):
    told = run("explain", folder / "model", folder / "new.csv", "--key", "T5003", "-k", 2).stdout
    assert told.startswith("row 3 order_id T5003\namount 4,310 is ")
    assert " times what records otherwise alike have (" in told
    assert "unusual from a score of" in told
    assert "normal 2" in told
    assert "normal 3" not in told
    assert "4,310" in told
    assert " *" in told
    assert "rather than 4,310" in told


def test_what_a_record_holds_is_shown_as_text(folder):
    told = run("explain", folder / "model", folder / "new.csv", "--key", "T5003").stdout
    assert "[bold red]FREE[/]" in told.replace("\n", "")
    assert "\x1b" not in told


def test_json_is_what_the_detector_says(folder):
    found = json.loads(run("explain", folder / "model", folder / "new.csv", "--key", "T5003", "--row", 5, "--json",
                           "-k", 1).stdout)
    expected = load(folder / "model").explain(pd.read_csv(folder / "new.csv").iloc[[3, 5]], k=1)
    assert [each["row_number"] for each in found] == [3, 5]
    for each, told in zip(found, expected, strict=True):
        assert {name: each[name] for name in told.to_dict()} == told.to_dict()
    assert found[0]["record"]["shop"] == HOSTILE
    assert found[0]["unusual"]
    assert not found[1]["unusual"]


def test_the_row_number_is_that_of_the_scored_file(folder):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "scored.parquet", "--where", "items > 2")
    scored = pd.read_parquet(folder / "scored.parquet").iloc[4]
    found = json.loads(run("explain", folder / "model", folder / "new.csv", "--row", scored["row_number"], "--json",
                           "--where", "items > 2").stdout)
    assert found[0]["record"]["order_id"] == scored["order_id"]
    assert found[0]["score"] == scored["score"]


def test_wrong_usage_bad_input_and_bad_models_have_their_codes(folder):
    words = ("explain", folder / "model", folder / "new.csv")
    assert "'nobody'" in run(*words, "--key", "nobody", "--key", "T5001", code=3).stderr
    assert "[99]" in run(*words, "--row", 99, code=3).stderr
    assert "--key" in run(*words, code=2).stderr
    assert "rate" in run(*words, "--row", 1, "--level", 2, code=2).stderr
    assert "events" in run(*words, "--row", 1, "--history", folder / "normal.csv", code=2).stderr
    run("explain", folder / "nowhere", folder / "new.csv", "--row", 1, code=4)
    run("explain", folder / "model", folder / "nowhere.csv", "--row", 1, code=3)
    pd.read_csv(folder / "normal.csv").drop(columns="order_id").to_csv(folder / "keyless.csv", index=False)
    run("fit", folder / "keyless.csv", "--out", folder / "keyless", "--pretraining", "none", "--detector", "tabular")
    assert "--row" in run("explain", folder / "keyless", folder / "keyless.csv", "--key", "T1", code=2).stderr
