"""What could be found in such data, asked of a model on the command line."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from anomaly_cl.detectors.loading import load
from tests.acceptance.test_command_line import run


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 3_000, "--seed", 3)
    run("fit", folder / "all.csv", "--out", folder / "model", "--where", "is_fraud = 0", "--pretraining", "none")
    return folder / "model"


def test_the_report_is_asked_for(model):
    assert "report" not in json.loads(run("inspect", model, "--json").stdout)
    assert "Report" not in run("inspect", model).stdout


def test_its_json_is_the_detectors_own(model):
    told = json.loads(run("inspect", model, "--report", "--seeds", 2, "--json").stdout)
    assert told["report"] == json.loads(json.dumps(load(model).report(seeds=2).to_dict()))


def test_on_a_screen_it_has_the_verdict_tables_and_notes_and_is_plain_in_a_pipe(model):
    said = run("inspect", model, "--report", "--seeds", 1)
    report = load(model).report(seeds=1)
    assert report.learnable
    for text in (report.verdict, *report.notes, "few values", "knn rank", f"{report.auc_roc('local'):.3f}"):
        assert text in said.stdout
    assert "\x1b" not in said.stdout
    assert said.stderr == ""


def test_a_model_of_shuffled_columns_is_warned_of(model, tmp_path):
    rows = pd.read_csv(model.parent / "all.csv").query("is_fraud == 0").drop(columns="is_fraud")
    rows.apply(lambda column: column.sample(frac=1, random_state=len(column.name)).to_numpy()).to_csv(
        tmp_path / "shuffled.csv", index=False)
    run("fit", tmp_path / "shuffled.csv", "--out", tmp_path / "model", "--pretraining", "none")
    assert "Warning: dependencies between columns" in run("inspect", tmp_path / "model", "--report").stdout


def test_no_seed_is_wrong_usage(model):
    run("inspect", model, "--report", "--seeds", 0, code=2)
