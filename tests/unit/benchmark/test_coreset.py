from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.__main__ import main
from apps.benchmark.coreset import bank_models, coreset_jobs, large_sets
from apps.benchmark.coreset_report import write_coreset_report
from apps.benchmark.data import find_sets, read_set
from apps.benchmark.results import Result, measure, write_result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of 500 normal rows, and one of 100."""
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    for name, n_normal in (("1_one", 500), ("2_two", 500), ("3_small", 100)):
        X = np.r_[rng.normal(size=(n_normal, 3)), rng.normal(2, 1, size=(40, 3))]
        np.savez(folder / f"{name}.npz", X=X, y=np.repeat([0, 1], [n_normal, 40]))
    return folder


def test_sets_of_too_few_normal_rows_are_left_out(folder: Path) -> None:
    sets = find_sets(folder)
    assert [path.stem for path in large_sets(sets, 800)] == ["1_one", "2_two"]
    assert large_sets(sets, 160) == sets
    with pytest.raises(InputError, match="lower --rows"):
        large_sets(sets, 20_000)


def test_all_sizes_are_of_the_same_rows_and_the_nearest_are_those_of_the_bank(folder: Path) -> None:
    X, y = read_set(find_sets(folder)[0])
    jobs = coreset_jobs(find_sets(folder)[:1], [3], 200, [100, 150], ["KNN-5"])
    assert [job.name for job in jobs] == ["KNN-5-100", "KNN-5-150"]
    first, second = (job.split(y) for job in jobs)
    np.testing.assert_array_equal(first.train, second.train)
    np.testing.assert_array_equal(first.test, second.test)
    assert len(first.train) == 200
    train, test = X[first.train], X[first.test]
    for job, size in zip(jobs, (100, 150), strict=True):
        gaps = (test[:, None] - train[:size]) / train.std(axis=0)
        slower = np.sort(np.sqrt((gaps ** 2).sum(axis=2)), axis=1)[:, :5].mean(axis=1)
        np.testing.assert_allclose(job.fitted(X, y, first).decision_function(test), slower)


def test_the_fast_search_keeps_as_many_rows_as_asked(folder: Path) -> None:
    X, y = read_set(find_sets(folder)[0])
    job = coreset_jobs(find_sets(folder)[:1], [0], 250, [120], ["fast"])[0]
    detector = job.model.make(0).set_params(pretraining="none").fit(X[job.split(y).train])
    assert detector.search == "fast"
    assert detector.reference_.num_rows == 120
    assert bank_models([120], ["exact"])["exact"].make(0).search == "exact"
    with pytest.raises(UsageError, match="correct the names"):
        bank_models([120], ["slow"])


def test_means_and_differences_are_of_the_sets_that_all_models_have_done(folder: Path, tmp_path: Path) -> None:
    areas = {"1_one": {"fast-100": 80.0, "fast-200": 90.0, "exact": 92.0},
             "2_two": {"fast-100": 70.0, "fast-200": 72.0, "exact": 71.0}, "3_small": {"fast-200": 10.0}}
    jobs = coreset_jobs(find_sets(folder), [0], 200, [100, 200], ["fast", "exact"])
    for job in jobs:
        area = areas[job.data.stem].get(job.name)
        done = Result(job.data.stem, job.name, 0, None, "code", "2026-01-01", 200, auc_roc=area, auc_pr=area,
                      fit_seconds=1.0, score_seconds=1.0)
        write_result(done if area else Result.failed(job, "Lost: it"), job.file(tmp_path))
    text = write_coreset_report(jobs, tmp_path).read_text()
    assert "2 of 3 sets" in text
    assert "| fast-100 | 75.00 | 75.00 |" in text
    assert "| fast-100 | -6.00 (-10.00 to -2.00) | 0/0/2 |" in text
    assert "| fast-200 | -0.50 (-2.00 to +1.00) | 1/0/1 |" in text
    assert "| exact | 3_small | 0 | Lost: it |" in text
    assert len((tmp_path / "coreset.csv").read_text().splitlines()) == 10


def test_a_stopped_run_goes_on_and_other_rows_are_other_runs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = find_sets(folder)[:2]
    jobs, others = (coreset_jobs(sets, [0], rows, [100, 200], ["KNN-5"]) for rows in (300, 400))
    assert not {job.file(tmp_path) for job in jobs} & {job.file(tmp_path) for job in others}
    for job in jobs:
        write_result(measure(job), job.file(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["coreset", "--data", str(folder), "--out", str(tmp_path), "--only", "1_one", "2_two", "--models", "KNN-5",
              "--rows", "300", "--sizes", "100", "200"])
    assert not ended.value.code
    assert "4 runs, 4 of them done" in capsys.readouterr().out
    assert "| 1_one | 250 |" in (tmp_path / "coreset.md").read_text()
