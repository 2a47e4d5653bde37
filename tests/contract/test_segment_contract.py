"""With a segment column, a row is compared with normal rows of its own segment, wherever it is scored."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from typer.testing import CliRunner

from anomaly_cl.batch.score import score_file
from anomaly_cl.cli.app import app
from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.calibration import p_values
from anomaly_cl.scoring.segments import POOLED, WHOLE

from .conftest import SCHEMA

SEGMENTED = replace(SCHEMA, columns=tuple(
    replace(column, role="segment") if column.name == "channel" else column for column in SCHEMA.columns))


@pytest.fixture(scope="module", params=["cross", "split"])
def segmented(request, normal) -> TabularDetector:
    return TabularDetector("none", schema=SEGMENTED, calibration=request.param).fit(normal)


def test_rows_are_compared_with_their_own_segment(segmented, rows):
    scored = segmented.score(rows, "budget=5")
    calibration = segmented.calibration_
    used = calibration.segment_used(rows["channel"])
    assert "card" in used
    assert {POOLED, WHOLE} & set(used)
    labels = np.array(calibration.grouping_.labels)[calibration.grouping_.codes]
    card = (rows["channel"] == "card").to_numpy()
    expected = p_values(scored["score"][card], calibration.scores_[labels == "card"])
    assert_array_equal(scored["p_value"][card], expected)
    assert_array_equal(scored["segment"], rows["channel"])


def test_unseen_and_missing_segments_are_scored(segmented, rows):
    strange = rows.head(4).assign(channel=["by phone", None, "card", "by phone"])
    scored = segmented.score(strange, "budget=1")
    assert scored["p_value"].between(0, 1).all()
    assert scored["segment"].isna().tolist() == [False, True, False, False]


def test_a_row_does_not_see_the_others(segmented, rows):
    together = segmented.score(rows, "budget=5")
    alone = pd.concat([segmented.score(rows.iloc[i:i + 1], "budget=1") for i in range(0, 300, 20)])
    for name in ("score", "p_value", "p_tail", "risk"):
        assert_array_equal(together[name].iloc[::20], alone[name])


def test_saved_and_loaded_it_scores_the_same(segmented, rows, tmp_path):
    segmented.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.score(rows, "budget=5"), segmented.score(rows, "budget=5"))
    assert loaded.calibration_.segments_ == segmented.calibration_.segments_


def test_a_policy_is_held_against_the_largest_segment(segmented, rows):
    largest = segmented.calibration_.most_compared_
    with pytest.raises(UsageError, match=f"{largest} calibration rows"):
        segmented.score(rows, f"alpha={0.9 / (largest + 1)}")


def test_manifest_and_inspection_say_what_each_segment_is_compared_with(rows, tmp_path):
    rows.drop(columns="picture").to_csv(tmp_path / "rows.csv", index=False)
    without_picture = replace(SEGMENTED, columns=tuple(c for c in SEGMENTED.columns if c.name != "picture"))
    detector = TabularDetector("none", schema=without_picture).fit(rows.drop(columns="picture"))
    manifest = score_file(detector, tmp_path / "rows.csv", tmp_path / "scored.parquet", policy="budget=3")
    lines = manifest["calibration"]["segments"]
    assert [line["segment"] for line in lines] == ["card", "online", "cash", None]
    assert json.loads((tmp_path / "scored.manifest.json").read_text())["calibration"]["segments"] == lines
    detector.save(tmp_path / "model")
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "model")]).output
    assert "Segments" in shown
    assert "compared with the" in shown
    facts = json.loads(CliRunner().invoke(app, ["inspect", str(tmp_path / "model"), "--json"]).output)
    assert facts["segments"] == lines
