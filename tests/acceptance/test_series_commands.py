"""Series on the command line: what the schema decides, scores of files in parts, spans as alerts, and their quality."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from anomaly_cl import load
from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import open_store
from anomaly_cl.detectors.series_table import UNMEASURED
from tests.acceptance.test_command_line import run

LEARNED = "is_anomaly = 0 AND measured_at < '2026-03-17'"
NUMBERS = ["measured_at", "machine", "score", "p_value", "p_tail", "risk"]
QUICK = ("--pretraining", "none", "--period", 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hourly readings of two machines, a model of the first weeks, and all of them scored with their labels."""
    folder = tmp_path_factory.mktemp("readings")
    run("simulate", "sensors", "--out", folder / "all.csv", "--rows", 6_000, "--seed", 1, "--machines", 2, "--channels",
        3, "--step", 3600, "--anomaly-share", 0.05)
    run("fit", folder / "all.csv", "--out", folder / "model", "--detector", "series", "--entity", "machine", *QUICK,
        "--where", LEARNED)
    run("score", folder / "model", folder / "all.csv", "--out", folder / "all.parquet", "--keep", "is_anomaly",
        "--keep", "anomaly_kind", "--store", folder / "alerts.sqlite")
    rows = pd.read_csv(folder / "all.csv")
    rows[:4_000].to_csv(folder / "old.csv", index=False)
    rows[4_000:].to_csv(folder / "new.csv", index=False)
    rows[rows["machine"] == "machine-02"].drop(columns="machine").to_csv(folder / "one.csv", index=False)
    return folder


def manifest_of(folder, name):
    return json.loads((folder / f"{name}.manifest.json").read_text())


def stored(file, kind=Alert):
    with open_store(file) as store, Session(store.engine, expire_on_commit=False) as session:
        return session.query(kind).all()


def test_a_file_with_a_time_and_no_key_is_fitted_as_a_series_and_the_choice_is_said(folder):
    told = run("fit", folder / "one.csv", "--out", folder / "decided", *QUICK, "--where", LEARNED).stdout
    assert "judged as series" in told
    assert "--detector tabular" in told
    assert "windows of 24 steps, a step each 1:00:00" in told
    assert "rows on" in told
    assert "calibrated on" in told
    assert type(load(folder / "decided")).__name__ == "SeriesDetector"


def test_the_detector_that_is_given_stands_whatever_the_file_looks_like(folder):
    told = run("fit", folder / "one.csv", "--out", folder / "rows", "--detector", "tabular", "--pretraining", "none",
               "--where", LEARNED).stdout
    assert "as series" not in told
    assert type(load(folder / "rows")).__name__ == "TabularDetector"


def test_a_category_that_may_be_the_entity_is_named_not_guessed(folder):
    words = ("fit", folder / "all.csv", "--pretraining", "none", "--where", LEARNED, "--out")
    assert "--entity machine judges them as series" in run(*words, folder / "guessed").stdout
    assert type(load(folder / "guessed")).__name__ == "TabularDetector"
    assert "judged as series" in run(*words, folder / "named", "--entity", "machine").stdout
    assert type(load(folder / "named")).__name__ == "SeriesDetector"


def test_rows_that_come_at_any_time_stay_rows(folder, tmp_path):
    rng = np.random.default_rng(0)
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 3e6, 400)), unit="s")
    pd.DataFrame({"at": at, "amount": rng.gamma(2, 20, 400)}).to_csv(tmp_path / "rows.csv", index=False)
    told = run("fit", tmp_path / "rows.csv", "--out", tmp_path / "model", "--pretraining", "none").stdout
    assert "as series" not in told
    assert type(load(tmp_path / "model")).__name__ == "TabularDetector"


def test_the_command_fits_and_scores_as_the_detector_does(folder):
    detector = load(folder / "model")
    rows = pd.read_csv(folder / "all.csv", parse_dates=["measured_at"])
    expected, found = detector.score(rows), pd.read_parquet(folder / "all.parquet")
    pd.testing.assert_frame_equal(found[[*NUMBERS, "alert"]], expected[[*NUMBERS, "alert"]], check_dtype=False,
                                  check_exact=True)
    assert found["reasons"].notna().equals(found["alert"])
    assert found["alert"].sum() > 20
    spans = pd.read_parquet(folder / "all.spans.parquet")
    of_detector = detector.spans(expected)
    pd.testing.assert_frame_equal(spans.drop(columns="channels"), of_detector.drop(columns="channels"),
                                  check_dtype=False)
    assert [list(each) for each in spans["channels"]] == of_detector["channels"].tolist()
    assert len(spans) > 3


def test_the_files_have_the_columns_of_the_contract(folder):
    assert pq.read_schema(folder / "all.parquet").names == [
        "row_number", "measured_at", "machine", "is_anomaly", "anomaly_kind", "score", "p_value", "p_tail", "risk",
        "alert", "segment", "reasons", "model_id"]
    assert pq.read_schema(folder / "all.spans.parquet").names == [
        "machine", "start", "end", "steps", "peak", "score", "p_value", "risk", "channels"]
    told = manifest_of(folder, "all")["series"]
    assert told["spans"] == pq.read_metadata(folder / "all.spans.parquet").num_rows
    assert (told["entity"], told["time"], told["window"]) == ("machine", "measured_at", 24)
    assert told["grid"]["rows"] == 6_000


@pytest.mark.parametrize("batch_rows", [97, 65_536])
def test_a_file_with_its_history_scores_as_all_at_once(folder, batch_rows):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "new.parquet", "--history",
        folder / "old.csv", "--batch-rows", batch_rows)
    new = pd.read_parquet(folder / "new.parquet")
    whole = pd.read_parquet(folder / "all.parquet")[4_000:].reset_index(drop=True)
    assert len(new) == 2_000
    pd.testing.assert_frame_equal(new[[*NUMBERS, "alert"]], whole[[*NUMBERS, "alert"]], check_exact=True)
    assert manifest_of(folder, "new")["history"]["rows"]["accepted"] == 4_000


def test_one_file_is_both_with_two_conditions_and_history_tells_something(folder):
    run("score", folder / "model", folder / "all.csv", "--out", folder / "both.parquet", "--where",
        "measured_at >= '2026-03-25 08:00'", "--history", folder / "all.csv", "--history-where",
        "measured_at < '2026-03-25 08:00'")
    run("score", folder / "model", folder / "new.csv", "--out", folder / "alone.parquet")
    both, alone = (pd.read_parquet(folder / f"{name}.parquet") for name in ("both", "alone"))
    whole = pd.read_parquet(folder / "all.parquet")[4_000:].reset_index(drop=True)
    pd.testing.assert_frame_equal(both[NUMBERS], whole[NUMBERS], check_exact=True)
    assert not alone["score"].equals(whole["score"])
    assert alone["score"][100:].equals(whole["score"][100:])  # beyond a window's length nothing is remembered


def test_every_row_is_scored_or_rejected_with_its_reason(folder):
    rows = pd.read_csv(folder / "new.csv", dtype=str)
    rows.loc[10, "measured_at"] = ""
    rows.loc[11, "machine"] = ""
    rows.loc[12, "vibration_mm_s"] = "loud"
    rows.loc[13, "vibration_mm_s"] = ""  # a gap that is short enough
    rows = rows.drop(index=range(1_000, 1_100))
    late = rows[-4:].assign(measured_at=["2027-01-01 00:00", "2027-01-01 00:00", "2027-01-01 01:00",
                                         "2027-01-01 01:00"])
    pd.concat([rows, late]).to_csv(folder / "bad.csv", index=False)
    run("score", folder / "model", folder / "bad.csv", "--out", folder / "bad.parquet")
    scored, rejects = (pd.read_parquet(folder / f"bad{ending}.parquet") for ending in ("", ".rejects"))
    counts = manifest_of(folder, "bad")["rows"]
    assert counts == {"read": 1_904, "filtered_out": 0, "in": 1_904, "scored": len(scored), "rejected": len(rejects)}
    assert sorted([*scored["row_number"], *rejects["row_number"]]) == list(range(1_904))
    rules = rejects.set_index("row_number")["rule"]
    assert (rules.loc[1_900:] == UNMEASURED).all()
    assert set(rules.index) == {10, 11, 12, 1_900, 1_901, 1_902, 1_903}
    assert rejects.set_index("row_number")["raw_value"][1_900] == "2027-01-01 00:00:00"
    assert manifest_of(folder, "bad")["series"]["grid"]["cuts"] == 4
    assert scored["score"].notna().all()


def test_no_step_left_to_score_is_an_empty_scored_file(folder):
    run("score", folder / "model", folder / "new.csv", "--out", folder / "none.parquet", "--where",
        "vibration_mm_s > 1e9")
    assert pq.read_metadata(folder / "none.parquet").num_rows == 0
    assert pq.read_metadata(folder / "none.spans.parquet").num_rows == 0


def test_each_span_is_one_alert_of_its_peak(folder):
    spans = pd.read_parquet(folder / "all.spans.parquet").set_index(["machine", "peak"])
    scored = pd.read_parquet(folder / "all.parquet").set_index("row_number")
    alerts = stored(folder / "alerts.sqlite")
    assert len(alerts) == len(spans)
    for alert in alerts:
        span = spans.loc[(alert.entities["machine"], alert.occurred_at)]
        peak = scored.loc[alert.row_number]
        assert (alert.score, alert.p_value, alert.risk) == (peak["score"], peak["p_value"], peak["risk"])
        assert alert.score == span["score"]
        assert alert.key == f"{peak['machine']} {peak['measured_at'].isoformat()}"
        told = {name: alert.record[f"span {name}"] for name in ("start", "end", "steps", "p_value", "risk")}
        assert told == {"start": span["start"].isoformat(), "end": span["end"].isoformat(), "steps": span["steps"],
                        "p_value": span["p_value"], "risk": span["risk"]}
        assert alert.record["span channels"].split(", ") == list(span["channels"])
        named = [reason["column"] for reason in alert.reasons]
        assert named == [name for name in span["channels"] if name in named]
        assert set(alert.typical) == set(load(folder / "model").series_schema_.channels)
        assert set(alert.typical) < set(alert.record)
    assert [each.alerts_raised for each in stored(folder / "alerts.sqlite", Run)] == [len(spans)]


def test_scoring_again_adds_nothing_nor_does_another_file_of_the_same_steps(folder):
    words = ("score", folder / "model", "--store", folder / "again.sqlite", "--out", folder / "again.parquet", "--json")
    first, same = (json.loads(run(*words, folder / "all.csv").stdout)["stored"] for _ in range(2))
    assert first["added"] > 0
    assert (same["added"], same["already_known"]) == (0, first["added"])
    part = json.loads(run(*words, folder / "new.csv", "--history", folder / "old.csv").stdout)["stored"]
    assert part["added"] == 0
    assert part["already_known"] > 0


def test_without_an_entity_alerts_are_known_by_their_place_in_the_file(folder):
    run("fit", folder / "one.csv", "--out", folder / "single", "--detector", "series", *QUICK, "--where", LEARNED)
    words = ("score", folder / "single", folder / "one.csv", "--store", folder / "one.sqlite", "--out",
             folder / "one.parquet")
    run(*words)
    assert "0 alerts added" in run(*words).stdout
    spans, alerts = pd.read_parquet(folder / "one.spans.parquet"), stored(folder / "one.sqlite")
    assert sorted(alert.occurred_at for alert in alerts) == sorted(spans["peak"])
    assert {alert.key for alert in alerts} == {None}


def test_a_model_of_rows_leaves_no_spans_of_series_beside_its_scores(folder):
    words = (folder / "one.csv", "--out", folder / "mixed.parquet")
    run("fit", folder / "one.csv", "--out", folder / "plain", "--detector", "tabular", "--pretraining", "none",
        "--where", LEARNED)
    run("score", folder / "model", folder / "all.csv", "--out", folder / "mixed.parquet")
    assert (folder / "mixed.spans.parquet").exists()
    run("score", folder / "plain", *words)
    assert not (folder / "mixed.spans.parquet").exists()


def test_evaluate_judges_steps_spans_and_volumes(folder):
    told = json.loads(run("evaluate", folder / "all.parquet", "--label", "is_anomaly", "--kind", "anomaly_kind",
                          "--json").stdout)
    scored, spans = pd.read_parquet(folder / "all.parquet"), pd.read_parquet(folder / "all.spans.parquet")
    anomalous = scored[scored["is_anomaly"] == 1]
    met = [((anomalous["machine"] == span.machine) & anomalous["measured_at"].between(span.start, span.end)).any()
           for span in spans.itertuples()]
    assert told["spans"]["spans_found"] == len(spans)
    assert told["spans"]["precision"] == pytest.approx(np.mean(met))
    assert set(told["spans"]["recall_by_kind"]) == set(anomalous["anomaly_kind"])
    assert 0 < told["spans"]["vus_pr"] <= 1
    assert told["spans"]["vus_roc"] > 0.5
    assert told["recall_by_kind"]
    shown = run("evaluate", folder / "all.parquet", "--label", "is_anomaly", "--kind", "anomaly_kind").stdout
    assert "Spans of alerts" in shown
    assert "Recall of spans by anomaly_kind" in shown


def test_spans_may_lie_elsewhere(folder, tmp_path):
    (tmp_path / "moved.parquet").write_bytes((folder / "all.parquet").read_bytes())
    words = ("evaluate", tmp_path / "moved.parquet", "--label", "is_anomaly", "--json")
    assert "spans" not in json.loads(run(*words).stdout)
    found = json.loads(run(*words, "--spans", folder / "all.spans.parquet").stdout)
    assert found["spans"]["spans_found"] == pq.read_metadata(folder / "all.spans.parquet").num_rows
    run(*words, "--spans", folder / "all.parquet", code=3)


def test_inspect_shows_windows_channels_and_calibration(folder):
    shown = run("inspect", folder / "model").stdout
    for text in ("window", "calibration steps", "vibration_mm_s", "machine-01"):
        assert text in shown
    told = json.loads(run("inspect", folder / "model", "--json").stdout)
    assert (told["window"], told["encoders"], told["entities"]) == (24, 0, 2)
    assert set(told["channels"]) == set(load(folder / "model").series_schema_.channels)


@pytest.mark.parametrize(("words", "code", "said"), [
    (["drift", "model", "new.csv"], 2, "steps depend on each other"),
    (["recalibrate", "model", "new.csv", "--out", "m"], 2, "fit a model on the new stretch"),
    (["inspect", "model", "--report"], 2, "judges series"),
    (["confirm", "model", "new.csv", "--out", "m", "--verdicts", "all.csv"], 2, "--detector events"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--verdicts", "all.csv"], 2, "this model judges series"),
    (["score", "model", "new.csv", "--out", "x.parquet", "--keep", "nothing"], 2, "nothing"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--history", "old.csv"], 2, "--detector events"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--contamination", "auto"], 2, "single rows"),
    (["fit", "all.csv", "--out", "m", "--detector", "tabular", "--channel", "vibration_mm_s"], 2, "--detector series"),
    (["fit", "all.csv", "--out", "m", "--detector", "events", "--period", "24"], 2, "--detector series"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--entity", "machine", "--entity", "anomaly_kind"], 2,
     "one entity"),
    (["fit", "all.csv", "--out", "m", "--detector", "series"], 3, "successive times of an entity must differ"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--channel", "machine"], 2, "must be numeric"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--pretraining", "magic", "--entity", "machine"], 2,
     "magic"),
    (["fit", "all.csv", "--out", "m", "--detector", "series", "--entity", "machine", "--where", "vibration_mm_s > 1e9"],
     3, "none is accepted"),
])
def test_errors_say_what_is_wrong_with_series(folder, monkeypatch, words, code, said):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert said in run(*words, code=code).stderr
    assert sorted(folder.iterdir()) == before


def test_a_change_of_clocks_is_no_gap_in_files_with_a_zone_and_their_spans_keep_it(folder):
    rows = pd.read_csv(folder / "one.csv", parse_dates=["measured_at"])
    rows["measured_at"] = rows["measured_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    clock = rows["measured_at"].dt.tz_localize(None)
    assert (clock.sort_values().diff() > pd.Timedelta("1h")).any()
    rows.to_parquet(folder / "zoned.parquet", index=False)
    rows.assign(measured_at=rows["measured_at"].map(pd.Timestamp.isoformat)).to_csv(folder / "offsets.csv", index=False)
    scored, told = {}, {}
    for name in ("one.csv", "zoned.parquet", "offsets.csv"):
        fitted = run("fit", folder / name, "--out", folder / f"model of {name}", "--detector", "series", *QUICK)
        assert "gap" not in fitted.stdout
        run("score", folder / f"model of {name}", folder / name, "--out", folder / f"scored {name}.parquet", "--keep",
            "is_anomaly", "--store", folder / "zoned.sqlite")
        scored[name] = pd.read_parquet(folder / f"scored {name}.parquet")
        told[name] = json.loads(run("evaluate", folder / f"scored {name}.parquet", "--label", "is_anomaly",
                                    "--json").stdout)["spans"]
    for name, zone in (("zoned.parquet", "Europe/Berlin"), ("offsets.csv", "UTC")):
        np.testing.assert_array_equal(scored[name]["score"], scored["one.csv"]["score"])
        assert told[name] == told["one.csv"]
        for times in (scored[name]["measured_at"], pd.read_parquet(folder / f"scored {name}.spans.parquet")["peak"]):
            assert str(times.dt.tz) == zone


def test_a_step_is_explained_by_its_channels(folder):
    scored = pd.read_parquet(folder / "all.parquet")
    worst = scored.loc[scored["score"].idxmax()]
    words = ("explain", folder / "model", folder / "all.csv", "--row", worst["row_number"])
    found = json.loads(run(*words, "--json").stdout)[0]
    assert found["score"] == worst["score"]
    assert found["contributions"] == list(worst["reasons"])
    assert found["neighbours"] == []
    told = run(*words).stdout
    assert found["sentence"] in told
    assert "as usual, it would not be unusual" in told
