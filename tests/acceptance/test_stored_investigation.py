"""What `score --store` leaves for people to look into, read back and computed anew the slow way."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy.orm import Session

from anomaly_cl import load
from anomaly_cl.alerts.models import Alert, EntityPast, Run, Signal, StoredModel
from anomaly_cl.alerts.store import open_store
from anomaly_cl.detectors.fitted import read_rows
from tests.acceptance.test_command_line import run

LEARNED = "is_fraud = 0 AND booked_at < '2026-03-01'"
TOLD = {"map", "drift", "cut", "days"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Transactions, an event model of the normal ones of the first weeks, and the later ones scored with them before.
    """
    folder = tmp_path_factory.mktemp("investigation")
    run("simulate", "transactions", "--out", folder / "all.csv", "--rows", 3_000, "--seed", 3, "--ties", 0.05,
        "--fraud-share", 0.05, "--kinds", "all")
    rows = pd.read_csv(folder / "all.csv")
    rows[rows["booked_at"] < "2026-03-01"].to_csv(folder / "old.csv", index=False)
    rows[rows["booked_at"] >= "2026-03-01"].to_csv(folder / "new.csv", index=False)
    run("fit", folder / "old.csv", "--out", folder / "model", "--detector", "events", "--entity", "customer_id",
        "--entity", "merchant_id", "--where", LEARNED)
    score(folder, "new", "--history", folder / "old.csv")
    return folder


def score(folder, name, *words, store="alerts.sqlite", **given):
    return run("score", folder / "model", folder / "new.csv", "--out", folder / f"{name}.parquet", "--alerts-at",
               "budget=30", "--batch-rows", 500, "--store", folder / store, *words, **given)


def stored(folder, kind, store="alerts.sqlite"):
    with open_store(folder / store) as opened, Session(opened.engine, expire_on_commit=False) as session:
        return session.query(kind).all()


def test_amounts_are_those_of_the_file(folder):
    amounts = pd.read_csv(folder / "new.csv", dtype={"transaction_id": str}).set_index("transaction_id")["amount"]
    alerts = stored(folder, Alert)
    assert len(alerts) == 30
    for alert in alerts:
        assert alert.amount == pytest.approx(amounts[alert.key])
        assert alert.entity_column == "customer_id"


def test_the_riskiest_alerts_are_explained_as_the_detector_explains_them(folder):
    detector = load(folder / "model")
    events = detector.event_rows(folder / "new.csv", folder / "old.csv")
    place = {key: i for i, key in enumerate(events.column("transaction_id").to_pylist())}
    score(folder, "few", "--history", folder / "old.csv", "--explain", 5, store="few.sqlite")
    alerts = sorted(stored(folder, Alert, "few.sqlite"), key=lambda alert: -alert.score)
    level = max(alert.p_value for alert in alerts)
    assert [alert.explanation is not None for alert in alerts] == [True] * 5 + [False] * 25
    for alert in alerts[:5]:
        row = events.take(pa.array([place[int(alert.key)]]))
        assert alert.explanation == json.loads(json.dumps(detector.explain_table(row, level=level)[0].to_dict()))
        assert alert.explanation["unusual"]
        clauses = alert.explanation["clauses"]
        assert "; ".join(clause["text"] for clause in clauses) == alert.explanation["sentence"]
        told = {each["column"] for each in alert.explanation["contributions"]}
        assert {clause["column"] for clause in clauses} <= told
    assert {alert.explanation is None for alert in stored(folder, Alert)} == {False}
    assert json.loads((folder / "few.manifest.json").read_text())["stored"]["explained"] == 5


def test_pasts_are_what_pandas_finds_in_the_files(folder):
    scored = pd.read_parquet(folder / "new.parquet")
    old, new = (pd.read_csv(folder / f"{name}.csv", parse_dates=["booked_at"]) for name in ("old", "new"))
    every = pd.concat([old.assign(risk=np.nan, alert=False), new.assign(risk=scored["risk"], alert=scored["alert"])])
    every = every.reset_index(drop=True).sort_values("booked_at", kind="stable")
    pasts = stored(folder, EntityPast)
    assert {past.entity for past in pasts} == {alert.entity for alert in stored(folder, Alert)}
    for past in pasts:
        mine = every[every["customer_id"] == past.entity].tail(100)
        found = pd.DataFrame(past.records)
        assert found["key"].tolist() == mine["transaction_id"].astype(str).tolist()
        assert found["alert"].tolist() == mine["alert"].astype(bool).tolist()
        assert pd.to_datetime(found["time"]).tolist() == mine["booked_at"].tolist()
        np.testing.assert_allclose(found["amount"], mine["amount"])
        np.testing.assert_allclose(found["risk"].astype(float), mine["risk"], atol=5e-4)


def test_similar_entities_are_those_that_the_detector_finds_one_by_one(folder):
    detector = load(folder / "model")
    rows = pa.concat_tables([read_rows(folder / f"{name}.csv", detector.base_schema_) for name in ("old", "new")])
    for past in stored(folder, EntityPast)[:4]:
        expected = detector.similar_entities(rows, past.entity)
        assert [line["entity"] for line in past.similar] == expected["entity"].tolist()
        np.testing.assert_allclose([line["distance"] for line in past.similar], expected["distance"], rtol=1e-4)
        assert [line["records"] for line in past.similar] == expected["records"].tolist()


def test_the_map_is_that_of_a_singular_value_decomposition_of_normal_rows(folder):
    detector = load(folder / "model")
    scorer, (told,) = detector.scorer_, stored(folder, Run)
    drawn, normal = told.summary["map"], scorer.measured_in(scorer.encoder_.transform(detector.reference_))
    assert set(told.summary) >= TOLD
    assert drawn["method"] == "PCA"
    assert len(drawn["normal"]) == len(normal) <= 2_000
    centre = normal.mean(axis=0, dtype=float)
    _, sizes, directions = np.linalg.svd(normal - centre, full_matrices=False)
    events = detector.event_rows(folder / "new.csv", folder / "old.csv")
    found = (scorer.measured_in(scorer.encoder_.transform(events)) - centre) @ directions[:2].T
    places = dict(zip(events.column("transaction_id").to_pylist(), found, strict=True))
    alerts = stored(folder, Alert)
    expected = np.array([places[int(alert.key)] for alert in alerts])
    found = np.array([[alert.map_x, alert.map_y] for alert in alerts])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(drawn["explained"], (sizes**2 / (sizes**2).sum())[:2], rtol=1e-4)


def test_a_run_that_comes_again_changes_nothing(folder):
    kinds = (Run, Alert, EntityPast, StoredModel)
    before = [len(stored(folder, kind)) for kind in kinds]
    pasts = {past.entity: past.records for past in stored(folder, EntityPast)}
    score(folder, "again", "--history", folder / "old.csv")
    assert [len(stored(folder, kind)) for kind in kinds] == before
    assert {past.entity: past.records for past in stored(folder, EntityPast)} == pasts


def test_the_manifest_tells_what_was_stored(folder):
    told = json.loads((folder / "new.manifest.json").read_text())["stored"]
    pasts = stored(folder, EntityPast)
    assert told["pasts"] == len(pasts) == told["similar"] > 5
    assert (told["amount"], told["map"], told["signals"]) == ("amount", "PCA", 0)
    assert stored(folder, StoredModel)[0].id == load(folder / "model").model_id_


def test_what_is_stored_of_a_table_does_not_hang_on_how_it_is_read(folder):
    run("fit", folder / "old.csv", "--out", folder / "rows", "--pretraining", "none", "--where", LEARNED)
    for store, rows in (("one.sqlite", 65_536), ("other.sqlite", 77)):
        run("score", folder / "rows", folder / "new.csv", "--out", folder / "rows.parquet", "--alerts-at", "budget=20",
            "--batch-rows", rows, "--store", folder / store)
    one, other = ({past.entity: past.records for past in stored(folder, EntityPast, store)}
                  for store in ("one.sqlite", "other.sqlite"))
    assert one == other
    places = [{alert.key: (alert.map_x, alert.map_y, alert.amount) for alert in stored(folder, Alert, store)}
              for store in ("one.sqlite", "other.sqlite")]
    assert places[0] == places[1]
    assert {past.entity_column for past in stored(folder, EntityPast, "one.sqlite")} == {"customer_id"}


@pytest.mark.parametrize("words", [("--amount", "nowhere"), ("--map", "tsne"), ("--amount", "channel")])
def test_what_cannot_be_shown_is_said_before_the_work(folder, words):
    assert words[1] in score(folder, "refused", *words, store="refused.sqlite", code=2).stderr
    assert not (folder / "refused.parquet").exists()


def test_what_is_for_a_store_needs_one(folder):
    told = run("score", folder / "model", folder / "new.csv", "--out", folder / "none.parquet", "--amount", "amount",
               code=2).stderr
    assert "--store" in told


def test_series_are_stored_whole_and_around_their_spans(tmp_path):
    run("simulate", "sensors", "--out", tmp_path / "all.csv", "--rows", 6_000, "--seed", 1, "--machines", 2,
        "--channels", 3, "--step", 3600, "--anomaly-share", 0.05)
    run("fit", tmp_path / "all.csv", "--out", tmp_path / "model", "--detector", "series", "--entity", "machine",
        "--pretraining", "none", "--period", 24, "--where", "is_anomaly = 0 AND measured_at < '2026-03-17'")
    run("score", tmp_path / "model", tmp_path / "all.csv", "--out", tmp_path / "all.parquet", "--store",
        tmp_path / "alerts.sqlite", "--explain", 3)
    alerts, signals = stored(tmp_path, Alert), {each.entity: each.points for each in stored(tmp_path, Signal)}
    assert set(signals) == {alert.entity for alert in alerts}
    rows = pd.read_csv(tmp_path / "all.csv", parse_dates=["measured_at"])
    for entity, points in signals.items():
        mine = rows[rows["machine"] == entity]
        assert len(points["time"]) == len(points["surprise"]) <= 2_000
        for channel, ends in points["channels"].items():
            for name, extreme in (("low", min), ("high", max)):
                drawn = extreme(each for each in ends[name] if each is not None)
                assert drawn == pytest.approx(extreme(mine[channel]), rel=1e-5)
    shown = [alert for alert in alerts if alert.signal]
    assert len(shown) == 3
    assert min(alert.score for alert in shown) >= max(alert.score for alert in alerts if not alert.signal)
    assert [bool(alert.explanation) for alert in alerts] == [bool(alert.signal) for alert in alerts]
    for alert in shown:
        assert {clause["column"] for clause in alert.explanation["clauses"]} <= set(alert.signal["channels"])
        times = pd.to_datetime([each for each in alert.signal["time"] if each])
        assert times.min() <= pd.Timestamp(alert.record["span start"]) <= pd.Timestamp(alert.record["span end"])
        assert pd.Timestamp(alert.record["span end"]) <= times.max()
        assert list(alert.signal["channels"]) == alert.record["span channels"].split(", ")
    assert "map" not in stored(tmp_path, Run)[0].summary
