"""`anomaly-cl evaluate` as fraud teams use it."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

from tests.acceptance.test_command_line import run
from tests.conftest import ROOT
from tests.unit.cli.made_up_evaluation import scored_frame

BASE = ("--label", "is_fraud", "--json")
BY_DAY = ("--time", "when", "--budget", 15)
ALL = (*BY_DAY, "--entity", "customer", "--kind", "kind", "--costs", "5", "--amount", "amount")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return scored_frame()


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    frame.to_parquet(folder / "scored.parquet")
    frame[["id", "score", "alert"]].to_parquet(folder / "bare.parquet")
    frame.drop(columns=["score", "alert"]).sample(frac=1, random_state=0).to_csv(folder / "known.csv", index=False)
    return folder


def evaluated(*words):
    return json.loads(run("evaluate", *words, *BASE).stdout)


def test_without_the_options_nothing_is_added(folder):
    assert list(evaluated(folder / "scored.parquet")) == [
        "rows", "anomalies", "alerts", "auc_roc", "auc_pr", "alert_rate", "precision", "recall", "false_alarm_rate",
        "rows_without_label"]


def test_numbers_are_those_of_pandas(folder, frame):
    result = evaluated(folder / "scored.parquet", *ALL)
    fraud, day = frame["is_fraud"] == 1, frame["when"].dt.date
    within = frame.groupby(day)["score"].rank(ascending=False, method="first") <= 15
    a_day = frame.groupby(day)["alert"].sum()
    assert result["policy"]["alerts_a_day"] == pytest.approx(a_day.mean())
    assert result["policy"]["most_alerts_a_day"] == a_day.max()
    assert result["budget"]["alerts"] == within.sum() == 150
    assert result["budget"]["precision"] == pytest.approx(fraud[within].mean())
    assert result["budget"]["recall"] == pytest.approx(within[fraud].mean())
    for line in result["recall_by_kind"]:
        rows = fraud & (frame["kind"].isna() if line["kind"] is None else frame["kind"] == line["kind"])
        assert line["rows"] == rows.sum()
        assert line["recall"] == pytest.approx(frame["alert"][rows].mean())
        assert line["recall_within_budget"] == pytest.approx(within[rows].mean())
    assert sum(line["rows"] for line in result["recall_by_kind"]) == fraud.sum()
    caught = frame["amount"][fraud & within].sum()
    assert result["money"]["budget"]["saved"] == pytest.approx(caught - 5 * within.sum())
    assert result["money"]["policy"]["cost_without_alerts"] == pytest.approx(frame["amount"][fraud].sum())


def test_columns_of_the_file_of_labels_count_like_kept_ones(folder):
    kept = evaluated(folder / "scored.parquet", *ALL)
    assert evaluated(folder / "bare.parquet", "--labels", folder / "known.csv", *ALL) == kept
    assert evaluated(folder / "scored.parquet", "--labels", folder / "known.csv", "--key", "id", *ALL) == kept


def test_fixed_costs_are_a_false_alarm_and_a_missed_anomaly(folder, frame):
    money = evaluated(folder / "scored.parquet", "--costs", "2:50")["money"]
    fraud = frame["is_fraud"] == 1
    assert money["policy"]["saved"] == 50 * (fraud & frame["alert"]).sum() - 2 * (~fraud & frame["alert"]).sum()
    assert "budget" not in money


def test_the_same_numbers_are_told_to_people(folder):
    html = folder / "page.html"
    said = run("evaluate", folder / "scored.parquet", "--label", "is_fraud", *ALL, "--html", html).stdout
    for part in ("alerts a day", "The 15 strangest rows of each day", "Card Precision@15 of customer", "Recall by kind",
                 "<script>alert(1)</script>", "each alert costs 5, a missed anomaly its amount", "(no kind)"):
        assert part in said
    assert "<!DOCTYPE html>" in html.read_text(encoding="utf-8")


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--budget", 15], 2, "--time COLUMN"),
    (["--time", "when", "--budget", 0], 2, "1 or more"),
    (["--time", "when", "--entity", "customer"], 2, "--budget N"),
    (["--amount", "amount"], 2, "--costs"),
    (["--costs", "5"], 2, "--costs 5:100"),
    (["--costs", "5:x"], 2, "'x'"),
    (["--costs", "5:50", "--amount", "amount"], 2, "leave out --amount"),
    (["--kind", "sort"], 3, "score again with --keep sort"),
    (["--kind", "sort", "--labels", "known.csv", "--key", "id"], 3, "file of labels must have the column 'sort'"),
    (["--time", "amount"], 3, "date or time"),
    (["--time", "gone"], 3, "2,000 of 2,000 have none"),
    (["--entity", "gone", *BY_DAY], 3, "no row has an entity"),
    (["--costs", "5", "--amount", "gone"], 3, "missing, infinite or negative"),
    (["--html", "nowhere/page.html"], 2, "there is no nowhere"),
])
def test_errors_say_rule_value_and_remedy(folder, frame, monkeypatch, words, code, said):
    monkeypatch.chdir(folder)
    frame.assign(gone=np.nan).to_parquet("gone.parquet")
    file = "gone.parquet" if "gone" in words else "scored.parquet"
    told = run("evaluate", file, "--label", "is_fraud", *words, code=code).stderr
    assert said in " ".join(told.split())
    assert "remedy" in told


def test_a_file_without_frauds_and_rows_without_labels_are_told(folder, frame):
    frame.assign(is_fraud=0).to_parquet(folder / "honest.parquet")
    assert "both occur" in run("evaluate", folder / "honest.parquet", "--label", "is_fraud", code=3).stderr
    some = frame.assign(is_fraud=frame["is_fraud"].where(frame.index >= 100), customer=frame["customer"].mask(
        frame.index < 300)).astype({"is_fraud": "Int64"})
    some.to_parquet(folder / "some.parquet")
    said = run("evaluate", folder / "some.parquet", "--label", "is_fraud", *ALL).stdout
    assert "100 rows have no label" in said
    assert "200 rows have no customer and are left out of Card Precision" in said


def test_card_precision_equals_the_protocol_of_the_handbook(folder, shared_data):
    tool = ROOT.parent / "shared" / "tools" / "handbook_protocol.py"
    if not tool.is_file():
        pytest.skip(f"there is no {tool.relative_to(ROOT.parent)} beside the checkout: the protocol to compare with")
    spec = importlib.util.spec_from_file_location("handbook_protocol", tool)
    protocol = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    transactions = pd.read_parquet(shared_data / "handbook" / "transactions.parquet")
    week = transactions.loc[protocol.test_rows(transactions, "2018-07-25")]
    rng = np.random.default_rng(0)
    score = (np.log1p(week["TX_AMOUNT"]) + rng.normal(size=len(week)) + week["TX_FRAUD"] * rng.random(len(week)) * 3)
    week = week.assign(score=score.round(1), alert=False)  # rounded: hundreds of ties
    week.to_parquet(folder / "week.parquet")
    for budget in (1, 20, 100, 400):
        result = json.loads(run("evaluate", folder / "week.parquet", "--label", "TX_FRAUD", "--entity", "CUSTOMER_ID",
                                "--time", "TX_DATETIME", "--budget", budget, "--kind", "TX_FRAUD_SCENARIO",
                                "--json").stdout)
        expected = protocol.card_precision(week, top=budget)
        assert result["card_precision"]["card_precision"] == pytest.approx(expected, abs=1e-12)
    result = json.loads(run("evaluate", folder / "week.parquet", "--label", "TX_FRAUD", "--time", "TX_DATETIME",
                            "--budget", 100, "--kind", "TX_FRAUD_SCENARIO", "--json").stdout)
    judged = protocol.judge(transactions, week, "2018-07-25")
    assert result["auc_pr"] == pytest.approx(judged["auc_pr"])
    assert result["budget"]["precision"] == pytest.approx(judged["alert_precision"])
    for line in result["recall_by_kind"]:
        assert line["recall_within_budget"] == pytest.approx(judged[f"recall_{line['kind']}"])
