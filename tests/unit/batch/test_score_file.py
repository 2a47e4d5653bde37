import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch import passes
from anomaly_cl.batch import score as batch_score
from anomaly_cl.batch.score import score_file
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError

POLICY = "alpha=0.05"


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "invoice_id": [f"I-{i:05d}" for i in range(600)],
        "vendor_id": rng.choice([f"V{i:03d}" for i in range(60)], 600),
        "booked_at": pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(600), unit="h"),
        "amount": np.exp(rng.normal(3, 1, 600)), "kind": rng.choice(["a", "b"], 600),
    })


@pytest.fixture(scope="module")
def detector(frame):
    return TabularDetector("none").fit(frame)


@pytest.fixture
def source(frame, tmp_path):
    burst = np.where(np.arange(600) % 100 == 7, 500, 1)
    frame.assign(amount=frame["amount"] * burst).to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def _count(store, query):
    with open_store(str(store)) as opened, opened.engine.connect() as connection:
        return connection.execute(text(query)).scalar()


def test_a_file_scores_as_the_frame_does(detector, source, tmp_path):
    manifest = score_file(detector, source, tmp_path / "out.parquet", policy=POLICY, batch_rows=64)
    expected = detector.score(pd.read_parquet(source), policy=POLICY)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert manifest["alerts"] == expected["alert"].sum() > 6
    for name in ("invoice_id", "score", "p_value", "p_tail", "risk", "alert", "model_id"):
        np.testing.assert_array_equal(found[name], expected[name])
    for one, other in zip(found["reasons"], expected["reasons"], strict=True):
        assert (one is None) == (other is None)
        assert one is None or list(one) == list(other)


def test_the_manifest_accounts_for_every_row(detector, source, tmp_path):
    manifest = score_file(detector, [source, source], tmp_path / "out.parquet", where="amount > 10", policy=POLICY)
    rows = manifest["rows"]
    assert rows["read"] == 1_200
    assert rows["read"] == rows["filtered_out"] + rows["in"]
    assert rows["in"] == rows["scored"] + rows["rejected"] == pq.read_metadata(tmp_path / "out.parquet").num_rows
    assert json.loads((tmp_path / "out.manifest.json").read_text()) == manifest
    assert manifest["model_id"] == detector.model_id_


@pytest.mark.parametrize("policy", ["fdr=0.95,share=0.2", "budget=3/day", "cost=1:20,prior=0.01"])
def test_every_policy_cuts_a_file_as_it_cuts_the_frame(detector, source, tmp_path, policy):
    manifest = score_file(detector, source, tmp_path / "out.parquet", policy=policy, batch_rows=64,
                          store=str(tmp_path / "alerts.sqlite"))
    expected = detector.score(pd.read_parquet(source), policy=policy)["alert"]
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "out.parquet")["alert"], expected)
    assert manifest["alerts"] == manifest["stored"]["added"] == expected.sum() > 0
    kept = json.loads(_count(tmp_path / "alerts.sqlite", "select summary from runs"))
    assert kept["cut"] == manifest["cut"] != {}


def test_rows_past_the_filter_may_be_none(detector, source, tmp_path):
    manifest = score_file(detector, source, tmp_path / "out.parquet", where="amount < 0", policy=POLICY)
    assert manifest["rows"]["scored"] == manifest["alerts"] == 0
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 0


def test_alerts_reach_the_store_once(detector, source, tmp_path):
    store = tmp_path / "alerts.sqlite"
    first = score_file(detector, source, tmp_path / "out.parquet", policy="budget=20", store=str(store))
    again = score_file(detector, source, tmp_path / "again.parquet", policy="budget=20", store=str(store))
    looser = score_file(detector, source, tmp_path / "looser.parquet", policy="budget=30", store=str(store))
    assert first["stored"]["added"] == 20
    seconds = {"explaining_seconds": again["stored"]["explaining_seconds"]}
    assert again["stored"] == first["stored"] | {"added": 0, "already_known": 20} | seconds
    assert looser["stored"]["added"] == 10
    assert _count(store, "SELECT count(*) FROM runs") == 2
    assert _count(store, "SELECT count(*) FROM alerts") == 30
    assert _count(store, "SELECT min(json_array_length(neighbours)) FROM alerts") == 5
    assert _count(store, "SELECT count(*) FROM alerts WHERE key IS NULL OR occurred_at IS NULL") == 0


@pytest.mark.parametrize("where_it_breaks", ["finish_draft", "draft_rows", "open_rows"])
def test_a_failure_leaves_nothing_but_the_journal_of_scored_rows(
    detector, source, tmp_path, monkeypatch, where_it_breaks,
):
    def broken(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch_score if where_it_breaks == "open_rows" else passes, where_it_breaks, broken)
    before, journal = sorted(tmp_path.iterdir()), tmp_path / ".out.parquet.journal"
    with pytest.raises(OSError, match="No space") as raised:
        score_file(detector, source, tmp_path / "out.parquet", policy=POLICY)
    assert sorted(tmp_path.iterdir()) == ([*before] if where_it_breaks == "open_rows" else [journal, *before])
    assert bool(getattr(raised.value, "__notes__", [])) == journal.exists()


def test_an_older_result_survives_a_failure(detector, source, tmp_path, monkeypatch):
    score_file(detector, source, tmp_path / "out.parquet", policy=POLICY)
    older = (tmp_path / "out.parquet").read_bytes()
    with pytest.raises(InputError):
        score_file(detector, tmp_path / "nowhere.parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == older


def test_columns_named_like_ours_cannot_be_kept(detector, frame, tmp_path):
    frame.assign(score=1.0).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(UsageError, match="score"):
        score_file(detector, tmp_path / "in.parquet", tmp_path / "out.parquet", keep=["score"], policy=POLICY)
