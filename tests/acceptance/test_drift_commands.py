"""Drift on the command line: noticed while scoring, checked by itself, and ended by a recalibration."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.acceptance.test_command_line import run

NORMAL = "is_fraud = 0 AND booked_at < '2026-02-20'"
LATER = "booked_at >= '2026-02-20'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Simulated transactions, the same with the later amounts in another currency, and a model of the first weeks."""
    folder = tmp_path_factory.mktemp("drift")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 8_000, "--seed", 3)
    rows = pd.read_csv(folder / "all.csv")
    later = rows["booked_at"] >= "2026-02-20"
    rows.assign(amount=rows["amount"].where(~later, rows["amount"] * 3)).to_csv(folder / "moved.csv", index=False)
    run("fit", folder / "all.csv", "--out", folder / "model", "--where", NORMAL, "--pretraining", "none")
    return folder


def files_of(model):
    return {path.name: path.read_bytes() for path in model.iterdir()}


def test_rows_like_those_learned_from_are_fine(folder):
    said = run("drift", folder / "model", folder / "all.csv", "--where", LATER).stdout
    assert said.startswith("fine: ")
    assert "stability index of amount" in said


def test_the_verdict_is_in_the_output_and_not_in_the_exit_code(folder):
    words = ("drift", folder / "model", folder / "moved.csv", "--where", LATER)
    assert run(*words).stdout.startswith("recalibrate: ")
    found = json.loads(run(*words, "--json").stdout)
    assert found["verdict"] == "recalibrate"
    assert "amount" in found["moved"]
    assert found["chance"] < 0.01
    assert found["rows"] == (pd.read_csv(folder / "moved.csv")["booked_at"] >= "2026-02-20").sum()


def test_scoring_says_so_in_one_line_and_in_the_manifest(folder):
    said = run("score", folder / "model", folder / "moved.csv", "--out", folder / "moved.parquet", "--where", LATER)
    lines = [line for line in said.stdout.splitlines() if line.startswith("drift: recalibrate")]
    manifest = json.loads((folder / "moved.manifest.json").read_text())
    checked = json.loads(run("drift", folder / "model", folder / "moved.csv", "--where", LATER, "--json").stdout)
    assert lines == [f"drift: {manifest['drift']['sentence']}"]
    assert manifest["drift"].items() <= checked.items()


def test_scoring_is_silent_about_drift_where_there_is_none(folder):
    said = run("score", folder / "model", folder / "all.csv", "--out", folder / "all.parquet", "--where", LATER)
    assert "drift:" not in said.stdout
    assert json.loads((folder / "all.manifest.json").read_text())["drift"]["verdict"] == "fine"


def test_a_recalibrated_model_is_a_new_one_that_fits_the_new_rows(folder):
    before = files_of(folder / "model")
    said = run("recalibrate", folder / "model", folder / "moved.csv", "--where", f"is_fraud = 0 AND {LATER}",
               "--out", folder / "model2")
    assert files_of(folder / "model") == before
    ids = [json.loads(run("inspect", folder / name, "--json").stdout)["model_id"] for name in ("model", "model2")]
    assert ids[0] != ids[1]
    assert f"model {ids[1]}" in said.stdout
    assert run("drift", folder / "model2", folder / "moved.csv", "--where", LATER).stdout.startswith("fine: ")


def test_a_recalibration_refuses_too_few_rows_and_the_models_own_folder(folder):
    few = run("recalibrate", folder / "model", folder / "all.csv", "--where", "amount > 1e9", "--out",
              folder / "model3", code=3)
    assert "at least 100 normal rows" in few.stderr
    assert not (folder / "model3").exists()
    for out in (folder / "model", folder / "nowhere" / "model"):
        run("recalibrate", folder / "model", folder / "all.csv", "--out", out, code=2)


def test_both_commands_explain_themselves(folder):
    listed = run("--help").stdout
    for name in ("drift", "recalibrate"):
        assert name in listed
        assert "Example" in run(name, "--help").stdout
