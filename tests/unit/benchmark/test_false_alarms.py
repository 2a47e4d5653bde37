from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.calibration import Calibration
from apps.benchmark import false_alarms
from apps.benchmark.__main__ import main
from apps.benchmark.data import find_sets
from apps.benchmark.false_alarms import ScoredSet, alerts_of, counted, largest, measure
from apps.benchmark.false_alarms_report import best, summary, write_report
from apps.benchmark.peers import thresholders as peers
from apps.benchmark.peers.thresholders import evaluated, fitted, thresholders


class Middle:
    """Cuts at the mean of what it was fitted on, or of what it evaluates; prints, as some of pythresh's do."""

    def fit(self, scores: np.ndarray) -> Middle:
        self.mean = scores.mean()
        return self

    def predict(self, scores: np.ndarray) -> np.ndarray:
        print("cutting")
        return (scores > self.mean).astype(int)

    def eval(self, scores: np.ndarray) -> np.ndarray:
        return self.fit(scores).predict(scores)


class Fails(Middle):
    def eval(self, scores: np.ndarray) -> np.ndarray:
        raise ValueError("no threshold")


def made_up(shift: float = 5.0) -> ScoredSet:
    rng = np.random.default_rng(0)
    labels = np.arange(4_000) < 400
    return ScoredSet(rng.normal(size=2_000), rng.normal(size=4_000) + shift * labels, labels,
                     Calibration().fit(rng.normal(size=2_000)))


def test_rates_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, alerts = rng.random(500) < 0.2, rng.random(500) < 0.3
    found = counted(labels, alerts)
    assert found["recall"] == pytest.approx(recall_score(labels, alerts))
    assert found["precision"] == pytest.approx(precision_score(labels, alerts))
    assert found["F1"] == pytest.approx(f1_score(labels, alerts))
    assert found["false_rate"] == pytest.approx(1 - recall_score(~labels, ~alerts))
    assert found["false_share"] == pytest.approx(1 - found["precision"])
    assert set(counted(labels, np.zeros(500, bool)).values()) == {0.0}


def test_alpha_and_contamination_alert_about_their_share_of_normal_rows_and_fdr_of_alerts() -> None:
    found = made_up()
    rates = {name: counted(found.labels, alerts) for _, name, alerts in alerts_of(found, {})}
    for share in ("0.01", "0.05"):
        for name in (f"alpha={share}", f"contamination={share}"):
            assert rates[name]["false_rate"] == pytest.approx(float(share), rel=0.4)
    assert rates["contamination=0.1"]["false_rate"] == pytest.approx(0.1, rel=0.2)
    assert rates["fdr=0.1"]["false_share"] == pytest.approx(0.1, abs=0.04)
    assert rates["fdr=0.1"]["recall"] > 0.95


def test_fitted_cuts_by_the_training_scores_and_evaluated_by_the_scores_themselves(
    capsys: pytest.CaptureFixture[str]
) -> None:
    training, scores = np.zeros(4), np.array([1.0, 2.0, 9.0])
    assert fitted(Middle(), training, scores).tolist() == [True, True, True]
    assert evaluated(Middle(), training, scores).tolist() == [False, False, True]
    assert capsys.readouterr().out == ""


def test_a_thresholder_that_fails_is_told_of_and_never_summed_up(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"data": "1_a", "seed": 0} | line for line in false_alarms.measured(
        made_up(), {"Middle": Middle, "Fails": Fails})])
    lines = summary(frame)
    assert ("fitted", "Fails") in lines.index
    assert ("evaluated", "Fails") not in lines.index
    text = write_report(frame, tmp_path).read_text()
    assert "Fails, evaluated, failed on 1_a seed 0: ValueError: no threshold" in text


def test_sets_weigh_alike_however_many_seeds_and_the_extremes_are_those_of_sets() -> None:
    def line(data: str, seed: int, rate: float) -> dict[str, Any]:
        return {"kind": "ours", "threshold": "alpha=0.01", "error": "", "data": data, "seed": seed,
                "false_rate": rate, "false_share": 0, "recall": 1, "precision": 1, "F1": rate}

    found = summary(pd.DataFrame([line("1_a", 0, 0.2), line("1_a", 1, 0.4), line("2_b", 0, 0.1)]))
    assert found.iloc[0][["false_rate", "lowest", "highest"]].tolist() == pytest.approx([0.2, 0.1, 0.3])


def test_the_best_are_those_of_highest_f1_without_those_that_know_the_benchmarks() -> None:
    names = ["META", "A", "B", "C", "D"]
    index = pd.MultiIndex.from_product([["fitted"], names], names=["kind", "threshold"])
    lines = pd.DataFrame({"F1": [0.9, 0.1, 0.5, 0.7, 0.3]}, index)
    assert best(lines, "fitted") == ["C", "B", "D"]
    assert best(lines, "evaluated") == []


def test_the_largest_sets_are_those_of_the_most_rows(tmp_path: Path) -> None:
    for number, rows in ((1, 20), (2, 50), (3, 40)):
        np.savez(tmp_path / f"{number}_set.npz", X=np.zeros((rows, 2)), y=np.zeros(rows, int))
    assert [path.stem for path in largest(find_sets(tmp_path), 2)] == ["2_set", "3_set"]


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured_sets = []

    def scored(data: Path, seed: int) -> ScoredSet:
        measured_sets.append((data.stem, seed))
        return made_up()

    monkeypatch.setattr(false_alarms, "scored", scored)
    sets, told = [Path("1_a.npz"), Path("2_b.npz")], []
    first = measure(sets[:1], [0], {"Middle": Middle}, tmp_path, told.append)
    both = measure(sets, [0], {"Middle": Middle}, tmp_path, told.append)
    assert measured_sets == [("1_a", 0), ("2_b", 0)]
    assert len(told) == 2
    pd.testing.assert_frame_equal(both.iloc[:len(first)], first, check_dtype=False)


def test_the_command_reports_on_each_set_without_pythresh(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["false-alarms", "--data", str(sets), "--out", str(tmp_path), "--seeds", "0", "1", "--no-pythresh"])
    assert not ended.value.code
    text = (tmp_path / "false-alarms.md").read_text()
    for name in (*false_alarms.POLICIES, "contamination=0.1", "contamination=0.05", "contamination=0.01"):
        assert text.count(f"\n| {name} |") == 2
    assert "9_odd" in text
    assert "10_even" in text


def test_missing_pythresh_and_unknown_thresholders_are_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="correct the names"):
        thresholders(["NOPE"])
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--no-pythresh"):
        thresholders()
