from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.benchmark import thresholds
from apps.benchmark.__main__ import main
from apps.benchmark.thresholds import Case, draw, outcome


def test_a_case_has_the_anomalies_that_it_says_at_shuffled_places():
    drawn = draw(Case(0.05, 9.0, 400, 1_000), np.random.default_rng(0))
    assert drawn.labels.sum() == 50
    assert np.flatnonzero(drawn.labels).max() > 500
    np.testing.assert_array_equal(np.sort(np.argsort(-drawn.scores)[:50]), np.flatnonzero(drawn.labels))
    assert (drawn.calibration > 5).sum() == 0
    assert (drawn.unclean > 5).sum() == 20


def test_outcome_counts_alerts_by_hand():
    labels = np.array([True, True, False, False])
    assert outcome(labels, np.array([True, False, True, True])) == (2 / 3, 0.5)
    assert outcome(labels, np.zeros(4, bool)) == (0.0, 0.0)


def test_the_report_has_a_table_for_each_size_and_every_threshold_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "SIZES", ((200, 1_000),))
    with pytest.raises(SystemExit) as ended:
        main(["thresholds", "--out", str(tmp_path / "new"), "--runs", "2"])
    assert not ended.value.code
    text = (tmp_path / "new" / "thresholds.md").read_text()
    assert text.count("## ") == 2
    frame = pd.read_csv(tmp_path / "new" / "thresholds.csv")
    assert all(text.count(f"\n| {name} |") == 2 for name in frame["threshold"].unique())
    assert len(frame) == 2 * 3 * 2 * frame["threshold"].nunique()
    assert frame[["false_share", "power"]].min().min() >= 0
