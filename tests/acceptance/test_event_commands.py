"""Records judged against the past of their entities, on the command line: any way to cut the files, the same scores."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select

from anomaly_cl import load
from anomaly_cl.alerts.models import Alert, Verdict
from anomaly_cl.alerts.store import open_store
from tests.acceptance.test_command_line import run

OLD, LEARNED = "booked_at < '2026-02-15'", "booked_at >= '2026-02-15' AND booked_at < '2026-03-01'"
SEEN, NEW = "booked_at < '2026-03-01'", "booked_at >= '2026-03-01'"
NUMBERS = ["transaction_id", "score", "p_value", "p_tail", "risk"]
EVENTS = ("--detector", "events", "--entity", "customer_id", "--entity", "merchant_id")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Simulated transactions, an event model of two weeks, the new ones scored with all before, and late verdicts."""
    folder = tmp_path_factory.mktemp("events")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 3_000, "--seed", 3, "--ties", 0.05,
        "--fraud-share", 0.05, "--kinds", "all")
    run("fit", folder / "all.csv", "--out", folder / "model", *EVENTS, "--where", f"is_fraud = 0 AND {LEARNED}",
        "--history", folder / "all.csv", "--history-where", OLD)
    rows = pd.read_csv(folder / "all.csv")
    is_new = rows["booked_at"] >= "2026-03-01"
    rows[~is_new].to_csv(folder / "old.csv", index=False)
    rows[is_new].to_csv(folder / "new.csv", index=False)
    run("score", folder / "model", folder / "new.csv", "--out", folder / "new.parquet", "--history",
        folder / "old.csv", "--keep", "is_fraud", "--alerts-at", "budget=30", "--store", folder / "alerts.sqlite")
    run("simulate", "verdicts", folder / "all.csv", "--out", folder / "verdicts.csv", "--delay", 3, "--cleared", 0.5)
    return folder


def scores_of(file):
    return pd.read_parquet(file)[NUMBERS]


def test_new_records_with_their_history_score_as_all_at_once(folder):
    run("score", folder / "model", folder / "old.csv", folder / "new.csv", "--out", folder / "whole.parquet")
    new = scores_of(folder / "new.parquet")
    assert len(new) > 800
    whole = scores_of(folder / "whole.parquet").tail(len(new)).reset_index(drop=True)
    pd.testing.assert_frame_equal(new, whole, check_exact=True)


def test_records_that_arrive_in_slices_score_as_all_at_once(folder):
    rows = pd.read_csv(folder / "new.csv")
    cuts = [0, 401, 402, len(rows)]
    before, scored = [folder / "old.csv"], []
    for start, end in pairwise(cuts):
        part = folder / f"slice{start}.csv"
        rows[start:end].to_csv(part, index=False)
        history = [word for file in before for word in ("--history", file)]
        run("score", folder / "model", part, "--out", folder / "slice.parquet", *history, "--batch-rows", 97)
        scored.append(scores_of(folder / "slice.parquet"))
        before.append(part)
    pd.testing.assert_frame_equal(pd.concat(scored, ignore_index=True), scores_of(folder / "new.parquet"),
                                  check_exact=True)


def test_no_record_left_to_score_is_an_empty_scored_file(folder):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "none.parquet", "--where", "amount > 1e9",
        "--history", folder / "old.csv", "--history-where", "amount > 1e9", "--keep", "is_fraud")
    assert pq.read_schema(folder / "none.parquet").equals(pq.read_schema(folder / "new.parquet"))
    assert len(scores_of(folder / "none.parquet")) == 0


def test_history_tells_something(folder):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "alone.parquet")
    assert not scores_of(folder / "alone.parquet").equals(scores_of(folder / "new.parquet"))


def test_one_file_is_both_with_two_conditions(folder):
    run("score", folder / "model", folder / "all.csv", "--out", folder / "one.parquet", "--where", NEW, "--history",
        folder / "all.csv", "--history-where", SEEN)
    pd.testing.assert_frame_equal(scores_of(folder / "one.parquet"), scores_of(folder / "new.parquet"))


def test_records_that_where_leaves_out_are_nobodys_past(folder):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "some.parquet", "--history",
        folder / "old.csv", "--where", "channel <> 'online'")
    rows = pd.read_csv(folder / "new.csv")
    rows[rows["channel"] != "online"].to_csv(folder / "some.csv", index=False)
    run("score", folder / "model", folder / "some.csv", "--out", folder / "left.parquet", "--history",
        folder / "old.csv")
    pd.testing.assert_frame_equal(scores_of(folder / "some.parquet"), scores_of(folder / "left.parquet"))
    counts = json.loads((folder / "some.manifest.json").read_text())["rows"]
    assert counts["filtered_out"] == (rows["channel"] == "online").sum() > 0
    assert counts["in"] == counts["scored"] + counts["rejected"]


def test_the_command_scores_as_the_detector_does(folder):
    old, new = (pd.read_csv(folder / name, parse_dates=["booked_at"]) for name in ("old.csv", "new.csv"))
    expected = load(folder / "model").score(new, old, policy="budget=30")
    found = pd.read_parquet(folder / "new.parquet")
    assert type(load(folder / "model")).__name__ == "EventDetector"
    pd.testing.assert_frame_equal(found[[*NUMBERS, "alert"]], expected[[*NUMBERS, "alert"]], check_dtype=False)
    assert found["reasons"].notna().equals(found["alert"])


def test_the_scored_file_has_the_columns_of_the_contract(folder):
    names = pq.read_schema(folder / "new.parquet").names
    assert names == ["row_number", "transaction_id", "booked_at", "customer_id", "merchant_id", "is_fraud", "score",
                     "p_value", "p_tail", "risk", "alert", "segment", "reasons", "model_id"]


def test_bad_records_are_kept_beside_the_scores_those_of_the_history_too(folder):
    for name, row, column, value in (("old", 5, "amount", "a lot"), ("new", 7, "booked_at", "")):
        rows = pd.read_csv(folder / f"{name}.csv", dtype=str)
        rows.loc[row, column] = value
        rows.to_csv(folder / f"bad_{name}.csv", index=False)
    said = run("score", folder / "model", folder / "bad_new.csv", "--out", folder / "bad.parquet", "--history",
               folder / "bad_old.csv")
    manifest = json.loads((folder / "bad.manifest.json").read_text())
    n_old, n_new = len(pd.read_csv(folder / "old.csv")), len(pd.read_csv(folder / "new.csv"))
    assert manifest["rows"] == {"read": n_new, "filtered_out": 0, "in": n_new, "scored": n_new - 1, "rejected": 1}
    assert manifest["history"]["rows"] == {"read": n_old, "filtered_out": 0, "accepted": n_old - 1, "rejected": 1}
    assert list(manifest["history"]["files"]) == [str(folder / "bad_old.csv")]
    assert f"history: read {n_old:,} rows: {n_old - 1:,} accepted, 0 filtered out, 1 rejected" in said.stdout
    for ending, number, column in (("", 7, "booked_at"), (".history", 5, "amount")):
        rejects = pd.read_parquet(folder / f"bad{ending}.rejects.parquet")
        assert rejects["row_number"].tolist() == [number]
        assert rejects["column"].tolist() == [column]
    assert not (folder / "new.history.rejects.parquet").exists()
    told = run("fit", folder / "bad_new.csv", "--out", folder / "bad_model", *EVENTS, "--history",
               folder / "bad_old.csv").stdout
    assert f"{n_new - 1:,} learned from, 0 filtered out, 1 rejected" in told
    assert "1 rejected\nrejected rows, with reasons" in told
    assert pd.read_parquet(folder / "bad_model.history.rejects.parquet")["row_number"].tolist() == [5]


def test_alerts_show_the_record_and_its_reasons_what_it_deviates_from(folder):
    with open_store(str(folder / "alerts.sqlite")) as store, store.engine.connect() as connection:
        stored = connection.execute(select(Alert.record, Alert.neighbours, Alert.entities, Alert.reasons)).all()
    deviations = load(folder / "model").events_.deviations
    assert len(stored) == 30
    assert len(deviations) > 3
    for record, neighbours, entities, reasons in stored:
        assert {"amount", "customer_id"} <= set(record)
        assert {"customer_id", "merchant_id"} == set(entities)
        assert len(neighbours) == 5
        for each in (record, *neighbours):
            assert not [name for name in each if name in (*deviations, "is_fraud", "fraud_kind") or ": " in name]
        assert reasons
    assert {reason["column"] for _, _, _, reasons in stored for reason in reasons} & set(deviations)


def test_scoring_again_adds_no_alert_and_another_history_is_another_run(folder):
    words = ("score", folder / "model", folder / "new.csv", "--out", folder / "again.parquet", "--alerts-at",
             "budget=30", "--store", folder / "alerts.sqlite", "--json")
    again = json.loads(run(*words, "--history", folder / "old.csv").stdout)["stored"]
    other = json.loads(run(*words).stdout)["stored"]
    assert again["added"] == 0
    assert other["run_id"] != again["run_id"]


def test_fitting_again_gives_the_same_model_and_history_is_learned_from(folder):
    words = ("fit", folder / "all.csv", *EVENTS, "--where", f"is_fraud = 0 AND {LEARNED}")
    run(*words, "--out", folder / "twin", "--history", folder / "all.csv", "--history-where", OLD)
    run(*words, "--out", folder / "bare", "--key", "transaction_id", "--time", "booked_at")
    ids = [json.loads(run("inspect", folder / name, "--json").stdout)["model_id"] for name in ("model", "twin", "bare")]
    assert ids[0] == ids[1] != ids[2]


def test_inspection_tells_of_entities_deviations_and_recurrence(folder):
    told = json.loads(run("inspect", folder / "model", "--json").stdout)
    assert told["entities"] == ["customer_id", "merchant_id"]
    assert set(told["recurrence"]) == {"customer_id", "merchant_id"}
    assert told["schema"]["columns"]["device_id"]["role"] == "ignore"
    assert "amount for customer_id" not in told["schema"]["columns"]
    weights = [each["weight"] for each in told["deviations"].values()]
    assert weights == sorted(weights, reverse=True)
    for each in told["deviations"].values():
        assert each["weight"] == pytest.approx(each["relevance"] * each["novelty"])
    shown = run("inspect", folder / "model").stdout
    strongest = next(iter(told["deviations"]))
    for part in (strongest, "relevance", "novelty", "oftener", "history rows", "not read"):
        assert part in shown


def test_drift_and_recalibration_read_the_history_too(folder):
    words = (folder / "model", folder / "new.csv", "--history", folder / "old.csv")
    verdict = json.loads(run("drift", *words, "--json").stdout)
    scored = json.loads((folder / "new.manifest.json").read_text())["drift"]
    assert scored.items() <= verdict.items()
    assert verdict["history"]["accepted"] == len(pd.read_csv(folder / "old.csv"))
    assert "history: read" in run("drift", *words).stdout
    said = run("recalibrate", *words, "--where", "is_fraud = 0", "--out", folder / "model_r").stdout
    assert "history: read" in said
    run("score", folder / "model_r", folder / "new.csv", "--out", folder / "r.parquet", "--history", folder / "old.csv")
    one, other = (pd.read_parquet(folder / name) for name in ("new.parquet", "r.parquet"))
    assert one["score"].equals(other["score"])
    assert not one["p_value"].equals(other["p_value"])


@pytest.fixture(scope="module")
def confirmed(folder):
    """A model that learned from verdicts on the records it was not fitted to."""
    said = run("confirm", folder / "model", folder / "new.csv", "--history", folder / "old.csv", "--verdicts",
               folder / "verdicts.csv", "--presume-after", 14, "--out", folder / "confirmed").stdout
    assert "verdicts: " in said
    return folder / "confirmed"


def test_a_confirmed_model_scores_as_the_detector_does_and_without_verdicts_as_before(folder, confirmed):
    words = ("score", confirmed, folder / "new.csv", "--history", folder / "old.csv", "--alerts-at", "budget=30")
    run(*words, "--out", folder / "c.parquet", "--verdicts", folder / "verdicts.csv", "--store", folder / "c.sqlite")
    run(*words, "--out", folder / "plain.parquet")
    old, new = (pd.read_csv(folder / name, parse_dates=["booked_at"]) for name in ("old.csv", "new.csv"))
    expected = load(confirmed).score(new, old, policy="budget=30", verdicts=str(folder / "verdicts.csv"))
    pd.testing.assert_frame_equal(scores_of(folder / "c.parquet"), expected[NUMBERS], check_dtype=False)
    pd.testing.assert_frame_equal(scores_of(folder / "plain.parquet"), scores_of(folder / "new.parquet"))
    assert not scores_of(folder / "c.parquet").equals(scores_of(folder / "plain.parquet"))
    manifest, bare = (json.loads((folder / f"{name}.manifest.json").read_text()) for name in ("c", "plain"))
    assert list(manifest["verdicts"]["files"]) == [str(folder / "verdicts.csv")]
    assert manifest["verdicts"]["keys"] == len(pd.read_csv(folder / "verdicts.csv"))
    assert manifest["drift"] == bare["drift"]  # of the one-class scores
    told = json.loads(run("inspect", confirmed, "--json").stdout)
    assert told["reads_verdicts"]
    assert told["presume_after"] == 14
    assert "means legitimate" in run("inspect", confirmed).stdout


def test_verdicts_of_the_alert_store_are_learned_from(folder):
    store = folder / "judged.sqlite"
    run("score", folder / "model", folder / "new.csv", "--out", folder / "judged.parquet", "--history",
        folder / "old.csv", "--alerts-at", "budget=250", "--store", store)
    frauds = set(pd.read_csv(folder / "new.csv").query("is_fraud == 1")["transaction_id"].astype(str))
    with open_store(str(store)) as opened, opened.engine.begin() as connection:
        alerts = connection.execute(select(Alert.id, Alert.key, Alert.occurred_at)).all()
        connection.execute(insert(Verdict), [  # given three days after each record
            {"alert_id": alert, "verdict": "fraud" if key in frauds else "legitimate", "note": "", "author": "test",
             "created_at": occurred_at + timedelta(days=3)} for alert, key, occurred_at in alerts])
    said = run("confirm", folder / "model", folder / "new.csv", "--history", folder / "old.csv", "--store", store,
               "--out", folder / "from_store").stdout
    assert f"verdicts: {len(alerts):,}, of which {len(frauds & {alert.key for alert in alerts}):,} are frauds" in said
    words = ("score", folder / "from_store", folder / "new.csv", "--history", folder / "old.csv", "--json", "--out")
    told = json.loads(run(*words, folder / "told.parquet", "--verdicts-of", store).stdout)
    assert told["verdicts"]["keys"] == len(alerts)
    run("verdicts", "--store", store, "--out", folder / "labels.csv")
    run(*words, folder / "by_file.parquet", "--verdicts", folder / "labels.csv")
    pd.testing.assert_frame_equal(scores_of(folder / "by_file.parquet"), scores_of(folder / "told.parquet"))
    bare = json.loads(run(*words, folder / "untold.parquet", "--verdicts-of", folder / "alerts.sqlite").stdout)
    assert "verdicts" not in bare  # a store in which nobody has decided yet
    pd.testing.assert_frame_equal(scores_of(folder / "untold.parquet"), scores_of(folder / "new.parquet"))
    assert not scores_of(folder / "told.parquet").equals(scores_of(folder / "untold.parquet"))


@pytest.mark.parametrize(("words", "code", "said"), [
    (["score", "model", "new.csv", "--out", "s.parquet", "--verdicts", "v.csv", "--verdicts-of", "s"], 2, "give one"),
    (["fit", "all.csv", "--out", "m", "--entity", "customer_id"], 2, "--detector events"),
    (["fit", "all.csv", "--out", "m", "--history", "old.csv"], 2, "--detector events"),
    (["fit", "all.csv", "--out", "m", "--history-where", "amount > 1"], 2, "give both"),
    (["fit", "all.csv", "--out", "m", "--detector", "magic"], 2, "magic"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--contamination", "auto"], 2, "contamination"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--pairs", "verdicts.csv"], 2, "pairs"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--pretraining", "magic"], 2, "magic"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--history", "nowhere.csv"], 3, "nowhere.csv"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--history", "verdicts.csv"], 3, "booked_at"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--where", "amount < -5"], 3, "normal"),
    (["fit", "all.csv", "--out", "m", *EVENTS[:2], "--entity", "nobody"], 3, "nobody"),
    (["fit", "all.csv", "--out", "m", *EVENTS, "--role", "booked_at=ignore"], 2, "--time"),
    (["fit", "plain.csv", "--out", "m", "--detector", "events"], 2, "--entity"),
    (["score", "rows", "new.csv", "--out", "x.parquet", "--history", "old.csv"], 2, "--detector events"),
    (["score", "rows", "new.csv", "--out", "x.parquet", "--verdicts", "verdicts.csv"], 2, "--detector events"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--verdicts", "verdicts.csv"], 2, "anomaly-cl confirm"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--history-where", "amount > 1"], 2, "give both"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--history", "nowhere.csv"], 3, "nowhere.csv"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--history", "all.csv"], 3, "are in both"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--keep", "nothing"], 2, "nothing"),
    (["drift", "rows", "new.csv", "--history", "old.csv"], 2, "--detector events"),
    (["recalibrate", "rows", "new.csv", "--history", "old.csv", "--out", "m"], 2, "--detector events"),
    (["recalibrate", "model", "new.csv", "--where", "amount > 1e9", "--out", "m"], 3, "none is accepted"),
    (["recalibrate", "model", "few.csv", "--out", "m"], 3, "at least 100 normal rows"),
    (["confirm", "model", "new.csv", "--where", "amount > 1e9", "--out", "m", "--verdicts", "verdicts.csv"], 3,
     "none is accepted"),
    (["recalibrate", "model", "new.csv", "--out", "model"], 2, "another folder"),
    (["inspect", "model", "--report"], 2, "leave out --report"),
    (["confirm", "model", "new.csv", "--out", "m"], 2, "give one of them"),
    (["confirm", "model", "new.csv", "--out", "m", "--verdicts", "verdicts.csv", "--store", "s"], 2, "give one"),
    (["confirm", "model", "new.csv", "--out", "m", "--store", "nowhere.sqlite"], 3, "nowhere.sqlite"),
    (["confirm", "model", "new.csv", "--out", "m", "--store", "alerts.sqlite"], 3, "--verdicts FILE"),
    (["confirm", "model", "new.csv", "--out", "m", "--verdicts", "all.csv"], 3, "three columns"),
    (["confirm", "model", "few.csv", "--out", "m", "--verdicts", "few_verdicts.csv"], 3, "wait for more verdicts"),
    (["confirm", "rows", "new.csv", "--out", "m", "--verdicts", "verdicts.csv"], 2, "--detector events"),
    (["confirm", "model", "new.csv", "--out", "model", "--verdicts", "verdicts.csv"], 2, "another folder"),
])
def test_errors_say_what_is_wrong_and_end_with_their_code(folder, rows_model, monkeypatch, words, code, said):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    told = run(*words, code=code).stderr
    assert said in told
    assert sorted(folder.iterdir()) == before


@pytest.fixture(scope="module")
def rows_model(folder):
    """A model of rows by themselves, a file without entities, and few records with their verdicts."""
    run("fit", folder / "old.csv", "--out", folder / "rows", "--pretraining", "none", "--where", "is_fraud = 0")
    rows = pd.read_csv(folder / "new.csv")
    rows[["amount", "channel", "booked_at"]].to_csv(folder / "plain.csv", index=False)
    rows[:50].to_csv(folder / "few.csv", index=False)
    few = rows[:50].assign(verdict="legitimate", at="2026-04-20")
    few[["transaction_id", "verdict", "at"]].to_csv(folder / "few_verdicts.csv", index=False)


def test_confirm_explains_itself():
    assert "confirm" in run("--help").stdout
    assert "Example" in run("confirm", "--help").stdout


def test_a_record_is_explained_by_its_past(folder):
    scored = pd.read_parquet(folder / "new.parquet")
    worst = scored.loc[scored["score"].idxmax()]
    words = ("explain", folder / "model", folder / "new.csv", "--key", worst["transaction_id"])
    found = json.loads(run(*words, "--history", folder / "old.csv", "--json").stdout)[0]
    assert (found["row_number"], found["score"]) == (worst["row_number"], worst["score"])
    assert [each["column"] for each in found["contributions"][:5]] == [each["column"] for each in worst["reasons"]]
    assert found["score"] != json.loads(run(*words, "--json").stdout)[0]["score"]
    assert "history" in run(*words, "--history-where", OLD, code=2).stderr


def test_what_verdicts_say_is_explained_too(folder, confirmed):
    told = ("--history", folder / "old.csv", "--verdicts", folder / "verdicts.csv")
    run("score", confirmed, folder / "new.csv", *told, "--alerts-at", "budget=30", "--out", folder / "told.parquet")
    scored = pd.read_parquet(folder / "told.parquet")
    about = scored[scored["reasons"].map(lambda found: found is not None and any(
        reason["column"].startswith("verdicts on ") for reason in found))].iloc[0]
    found = json.loads(run("explain", confirmed, folder / "new.csv", *told, "--key", about["transaction_id"],
                           "--json").stdout)[0]
    assert (found["score"], found["p_value"]) == (about["score"], about["p_value"])
    assert found["contributions"][:5] == list(about["reasons"])
