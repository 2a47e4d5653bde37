from __future__ import annotations

import pytest

from apps.benchmark.results import Result
from apps.benchmark.summary import by_set, means, results_frame, unclean_means


def result(data: str, model: str, seed: int, auc: float | None, share: float | None = None) -> Result:
    if auc is None:
        return Result(data, model, seed, share, "code", "2026-01-01", error="failed")
    return Result(data, model, seed, share, "code", "2026-01-01", auc_roc=auc, auc_pr=auc / 2,
                  fit_seconds=auc / 10, score_seconds=1.0)


RESULTS = [
    result("1_a", "KNN", 0, 60.0), result("1_a", "KNN", 1, 80.0), result("2_b", "KNN", 0, 90.0),
    result("2_b", "KNN", 1, 90.0), result("3_c", "KNN", 0, 50.0), result("3_c", "KNN", 1, 50.0),
    result("1_a", "LOF", 0, 99.0), result("1_a", "LOF", 1, 99.0), result("2_b", "LOF", 0, None),
]


def test_sets_weigh_the_same_in_the_mean_and_in_its_halves() -> None:
    line = means(results_frame(RESULTS)).loc["KNN"]
    assert line["AUC-ROC"] == pytest.approx((70 + 90 + 50) / 3)
    assert line["AUC-PR odd"] == pytest.approx((35 + 25) / 2)
    assert line["AUC-ROC even"] == 90
    assert (line["median s"], line["max s"]) == (pytest.approx(8.0), 10.0)


def test_a_model_that_lacks_runs_comes_last_and_is_marked() -> None:
    lines = means(results_frame(RESULTS))
    assert list(lines.index) == ["KNN", "LOF"]
    assert list(lines["complete"]) == [True, False]
    assert (lines.loc["LOF", "sets"], lines.loc["LOF", "failed"]) == (1, 1)


def test_a_set_without_a_good_run_has_no_value() -> None:
    table = by_set(results_frame(RESULTS), "auc_roc")
    assert list(table.index) == ["1_a", "2_b", "3_c"]
    assert table["LOF"].isna().tolist() == [False, True, True]


def test_unclean_means_stand_beside_each_other() -> None:
    frame = results_frame([result("1_a", "KNN", 0, 80.0, 0.0), result("1_a", "KNN", 0, 70.0, 0.05)])
    line = unclean_means(frame).loc["KNN"]
    assert line.to_dict() == {"AUC-ROC at 0 %": 80, "AUC-PR at 0 %": 40, "AUC-ROC at 5 %": 70, "AUC-PR at 5 %": 35}
