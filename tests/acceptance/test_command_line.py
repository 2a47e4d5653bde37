"""The commands as users type them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from anomaly_cl.cli import main


def run(*words: object, code: int = 0) -> SimpleNamespace:
    """The command in this process, which has its libraries loaded already."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["anomaly-cl", *map(str, words)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    done = SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())
    assert (ended.value.code or 0) == code, done
    return done


def test_the_installed_command_ends_with_its_codes_and_no_traceback(tmp_path):
    command = Path(sys.executable).with_name("anomaly-cl")
    environment = os.environ | {"PYTHONWARNINGS": "default"}
    for words, code in ((["--help"], 0), (["inspect", "nowhere"], 4), (["schema", "nowhere.csv"], 3), (["fit"], 2)):
        done = subprocess.run([command, *words], capture_output=True, text=True, cwd=tmp_path, env=environment,
                              check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "Warning" not in done.stderr


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Simulated transactions, a model of the normal ones of the first weeks, and the rest of them scored."""
    folder = tmp_path_factory.mktemp("cli")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 6_000, "--seed", 3)
    run("fit", folder / "all.csv", "--out", folder / "model", "--where", "is_fraud = 0 AND booked_at < '2026-02-20'")
    run("score", folder / "model", folder / "all.csv", "--out", folder / "scored.parquet", "--where",
        "booked_at >= '2026-02-20'", "--keep", "is_fraud", "--keep", "amount", "--store", folder / "alerts.sqlite")
    return folder


def test_every_command_explains_itself_with_an_example():
    listed = run("--help").stdout
    for name in ("fit", "score", "evaluate", "inspect", "schema", "simulate", "dashboard", "demo", "refine", "confirm",
                 "verdicts"):
        assert name in listed
        assert "Example" in run(name, "--help").stdout


def test_rows_in_are_rows_scored_and_rows_rejected(folder):
    manifest = json.loads((folder / "scored.manifest.json").read_text())
    rows = manifest["rows"]
    scored = pd.read_parquet(folder / "scored.parquet")
    assert rows["read"] == 6_000
    assert rows["in"] == rows["scored"] + rows["rejected"] == len(scored)
    assert rows["read"] == rows["in"] + rows["filtered_out"]
    assert pq.read_metadata(folder / "scored.rejects.parquet").num_rows == 0


def test_the_scored_file_has_the_columns_of_the_contract(folder):
    names = pq.read_schema(folder / "scored.parquet").names
    assert names[-8:] == ["score", "p_value", "p_tail", "risk", "alert", "segment", "reasons", "model_id"]
    assert {"row_number", "transaction_id", "booked_at", "customer_id", "is_fraud", "amount"} <= set(names)


def test_output_is_plain_in_a_pipe(folder):
    said = run("inspect", folder / "model")
    assert "\x1b" not in said.stdout
    assert said.stderr == ""


def test_scoring_again_gives_equal_bytes_and_adds_no_alert(folder):
    said = run("score", folder / "model", folder / "all.csv", "--out", folder / "again.parquet", "--where",
               "booked_at >= '2026-02-20'", "--keep", "is_fraud", "--keep", "amount", "--store",
               folder / "alerts.sqlite", "--json")
    assert json.loads(said.stdout)["stored"]["added"] == 0
    assert (folder / "again.parquet").read_bytes() == (folder / "scored.parquet").read_bytes()


def test_scoring_in_small_batches_gives_equal_scores(folder):
    run("score", folder / "model", folder / "all.csv", "--out", folder / "small.parquet", "--where",
        "booked_at >= '2026-02-20'", "--batch-rows", 97)
    whole, small = (pd.read_parquet(folder / name) for name in ("scored.parquet", "small.parquet"))
    pd.testing.assert_frame_equal(whole.drop(columns=["is_fraud", "amount"]), small)


def test_fitting_again_gives_the_same_model(folder):
    run("fit", folder / "all.csv", "--out", folder / "twin", "--where", "is_fraud = 0 AND booked_at < '2026-02-20'")
    for name in ("weights.safetensors", "reference.arrow", "calibration.arrow", "model.json"):
        assert (folder / "twin" / name).read_bytes() == (folder / "model" / name).read_bytes()


def test_evaluation_finds_more_than_chance(folder):
    result = json.loads(run("evaluate", folder / "scored.parquet", "--label", "is_fraud", "--json").stdout)
    assert result["auc_roc"] > 0.6
    assert result["rows"] == len(pd.read_parquet(folder / "scored.parquet"))
    assert result["alert_rate"] < 0.06


def test_evaluation_joins_labels_by_key(folder):
    kept = json.loads(run("evaluate", folder / "scored.parquet", "--label", "is_fraud", "--json").stdout)
    scored = pd.read_parquet(folder / "scored.parquet")
    scored.drop(columns="is_fraud").to_parquet(folder / "bare.parquet")
    pd.read_csv(folder / "all.csv")[["transaction_id", "is_fraud"]].to_csv(folder / "labels.csv", index=False)
    joined = run("evaluate", folder / "bare.parquet", "--label", "is_fraud", "--json", "--labels",
                 folder / "labels.csv")
    assert json.loads(joined.stdout) == kept
    assert "--keep is_fraud" in run("evaluate", folder / "bare.parquet", "--label", "is_fraud", code=3).stderr


def test_a_budget_gives_as_many_alerts(folder):
    said = run("score", folder / "model", folder / "all.csv", "--out", folder / "budget.parquet", "--alerts-at",
               "budget=12", "--json")
    assert json.loads(said.stdout)["alerts"] == 12
    scored = pd.read_parquet(folder / "budget.parquet")
    assert scored["alert"].sum() == 12
    assert scored.nlargest(12, "score")["alert"].all()
    assert scored["reasons"].notna().equals(scored["alert"])


def test_a_false_discovery_rate_says_before_scoring_what_it_cannot_find(folder):
    said = run("score", folder / "model", folder / "all.csv", "--out", folder / "fdr.parquet", "--alerts-at",
               "fdr=0.1", "--json", "--store", folder / "fdr.sqlite")
    manifest = json.loads(said.stdout)
    scored = pd.read_parquet(folder / "fdr.parquet")
    assert "note: with" in said.stderr
    assert "calibration rows" in said.stderr
    assert "Warning" not in said.stderr
    assert manifest["policy"] == "fdr=0.1"
    np.testing.assert_array_equal(scored["alert"], scored["p_value"] <= manifest["cut"]["p_value_at_most"])
    assert manifest["alerts"] == scored["alert"].sum()


def test_a_budget_for_each_day_is_spent_on_each_day(folder):
    run("score", folder / "model", folder / "all.csv", "--out", folder / "days.parquet", "--alerts-at", "budget=5/day",
        "--batch-rows", 700)
    scored = pd.read_parquet(folder / "days.parquet")
    for _, day in scored.groupby(scored["booked_at"].dt.date):
        assert day["alert"].sum() == min(5, len(day))
        assert day.loc[day["alert"], "score"].min() >= day.loc[~day["alert"], "score"].max()


def test_costs_choose_a_threshold_and_tell_what_they_expect(folder):
    words = ("score", folder / "model", folder / "all.csv", "--out", folder / "cost.parquet", "--alerts-at",
             "cost=1:50,prior=0.02")
    said = run(*words).stdout
    for part in ("alerts at cost=1:50,prior=0.02", "expected cost", "without alerts", "share of 0.02"):
        assert part in said
    manifest = json.loads((folder / "cost.manifest.json").read_text())
    scored = pd.read_parquet(folder / "cost.parquet")
    np.testing.assert_array_equal(scored["alert"], scored["p_value"] <= manifest["cut"]["p_value_at_most"])
    assert 0 < scored["alert"].mean() < 0.1
    assert manifest["cut"]["expected_cost"] < manifest["cut"]["cost_without_alerts"]
    run(*words[:-1], "cost=1:50")


def test_bad_rows_are_kept_beside_the_scores_with_reasons(folder):
    lines = (folder / "all.csv").read_text().splitlines()[:200]
    amount = lines[0].split(",").index("amount")
    cells = lines[10].split(",")
    cells[amount] = "a lot"
    lines[10] = ",".join(cells)
    lines[20] = lines[20] + ",one,two"
    (folder / "bad.csv").write_text("\n".join(lines) + "\n")
    run("score", folder / "model", folder / "bad.csv", "--out", folder / "bad.parquet")
    rejects = pd.read_parquet(folder / "bad.rejects.parquet")
    assert rejects["row_number"].tolist() == [9, 19]
    assert rejects["column"].tolist()[0] == "amount"
    assert rejects["raw_value"].tolist()[0] == "a lot"
    assert len(pd.read_parquet(folder / "bad.parquet")) == 197
    run("fit", folder / "bad.csv", "--out", folder / "bad_model", "--pretraining", "none")
    assert pd.read_parquet(folder / "bad_model.rejects.parquet")["row_number"].tolist() == [9, 19]


def test_the_schema_is_printed_edited_and_used(folder):
    text = run("schema", folder / "all.csv", "--out", folder / "schema.yaml").stdout
    assert "transaction_id" in text
    edited = (folder / "schema.yaml").read_text().replace("role: time", "role: ignore")
    (folder / "schema.yaml").write_text(edited)
    run("fit", folder / "all.csv", "--out", folder / "other", "--schema", folder / "schema.yaml", "--role",
        "merchant_category=segment", "--pretraining", "none")
    told = json.loads(run("inspect", folder / "other", "--json").stdout)
    assert told["schema"]["columns"]["booked_at"]["role"] == "ignore"
    run("score", folder / "other", folder / "all.csv", "--out", folder / "segments.parquet")
    segments = pd.read_parquet(folder / "segments.parquet")["segment"]
    assert segments.notna().all()
    assert segments.nunique() > 3


def test_pairs_are_learned_from_and_groups_shown(folder):
    ids = pd.read_csv(folder / "all.csv").query("is_fraud == 0")["transaction_id"][:200].to_numpy()
    pairs = pd.DataFrame({"left": ids[:100], "right": ids[100:], "verdict": ["same", "different"] * 50})
    pairs.to_csv(folder / "pairs.csv", index=False)
    told = run("fit", folder / "all.csv", "--out", folder / "grouped", "--where", "is_fraud = 0 AND booked_at < "
               "'2026-02-05'", "--pretraining", "swav", "--pairs", folder / "pairs.csv")
    assert "pairs learned from: " in told.stdout
    groups = json.loads(run("inspect", folder / "grouped", "--json").stdout)["groups"]
    assert sum(group["share"] for group in groups) == pytest.approx(1)
    assert {"size", "differs_in", "description", "typical_amount"} <= set(groups[0])
    shown = run("inspect", folder / "grouped").stdout
    assert "Groups of normal behaviour" in shown
    assert str(groups[0]["size"]) in shown
    pairs.assign(left="nobody").to_csv(folder / "pairs.csv", index=False)
    refused = run("fit", folder / "all.csv", "--out", folder / "grouped", "--pretraining", "swav", "--pairs",
                  folder / "pairs.csv", code=3)
    assert "'nobody'" in refused.stderr


@pytest.mark.parametrize(("words", "code", "said"), [
    (["score", "model", "nowhere.csv", "--out", "x.parquet"], 3, "nowhere.csv"),
    (["score", "model", "all.csv", "--out", "x.csv"], 2, ".parquet"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "alpha=2"], 2, "alpha"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "alpha=1e-9"], 2, "calibrat"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "fdr=1.5"], 2, "fdr"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "fdr=0.1,often"], 2, "often"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "fdr=0.1,share=1e-6"], 2, "calibrat"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "budget=5/month"], 2, "month"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "budget=5/segment"], 2, "role segment"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "cost=50"], 2, "cost=1:50"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "cost=1:2,prior=1e-9"], 2, "never pays"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--alerts-at", "magic=1"], 2, "alpha=..."),
    (["score", "model", "all.csv", "--out", "x.parquet", "--keep", "nothing"], 2, "nothing"),
    (["score", "model", "all.csv", "--out", "x.parquet", "--where", "amount >"], 2, "amount >"),
    (["score", "nowhere", "all.csv", "--out", "x.parquet"], 4, "model.json"),
    (["score", "model", "labels_only.csv", "--out", "x.parquet"], 3, "booked_at"),
    (["score", "model", "empty.csv", "--out", "x.parquet"], 3, "empty.csv"),
    (["score", "model", "picture.parquet", "--out", "x.parquet"], 3, "picture.parquet"),
    (["score", "model"], 2, "INPUT"),
    (["fit", "all.csv", "--out", "m", "--role", "is_fraud"], 2, "COLUMN=ROLE"),
    (["fit", "all.csv", "--out", "m", "--role", "is_fraud=boss"], 2, "boss"),
    (["fit", "all.csv", "--out", "m", "--pretraining", "magic"], 2, "magic"),
    (["fit", "all.csv", "--out", "m", "--where", "amount < -5"], 3, "n_samples = 0"),
    (["evaluate", "picture.parquet", "--label", "is_fraud"], 3, "picture.parquet"),
])
def test_errors_say_what_is_wrong_and_end_with_their_code(folder, monkeypatch, words, code, said):
    monkeypatch.chdir(folder)
    (folder / "empty.csv").write_text("")
    (folder / "labels_only.csv").write_text("transaction_id,is_fraud\n1,0\n")
    (folder / "picture.parquet").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    before = sorted(folder.iterdir())
    told = run(*words, code=code).stderr
    assert said in told
    assert sorted(folder.iterdir()) == before
