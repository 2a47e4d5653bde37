from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.__main__ import main
from apps.benchmark.intervals import paired_bootstrap
from apps.benchmark.series.models import MeasuredModel, models
from apps.benchmark.series.protocol import choose_series, find_series, judge, read_series
from apps.benchmark.series.report import PUBLISHED, per_series, read_published, write_report
from apps.benchmark.series.runs import RESULTS, SeriesJob, SeriesResult, add_result, measure, read_results, undone
from apps.benchmark.series.summary import by_series, differences, means, parts_of

NAMES = ("01_AA_x", "02_AA_y", "03_BB_x", "04_BB_y")


class Level:
    """Scores a step by its first channel."""

    def fit(self, train: np.ndarray) -> None:
        self.train_ = train

    def decision_function(self, series: np.ndarray) -> np.ndarray:
        return series[:, 0]


class Blind(Level):
    def decision_function(self, series: np.ndarray) -> np.ndarray:
        return np.full(len(series), np.nan)


def made(kind: type[Level], seed: int) -> Level:
    return kind()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four short series of two families, a wave with a bump."""
    found = tmp_path / "series"
    found.mkdir()
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng(number)
        values = np.sin(np.arange(300) / 4) + 0.05 * rng.normal(size=300)
        values[200:220] += 3
        labels = np.zeros(300, int)
        labels[200:220] = 1
        np.savez(found / f"{name}.npz", values=values, labels=labels, train_end=150)
    return found


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def results(values: dict[str, list[float | None]], seed: int = 0) -> pd.DataFrame:
    """Results of models on the four series."""
    return pd.DataFrame([
        {"series": name, "family": name.split("_")[1], "model": model, "seed": seed, "code": "c", "date": "2026-03-01",
         "steps": 300, "channels": 1, "vus_pr": value, "auc_pr": value, "auc_roc": value, "seconds": 1.0,
         "error": "" if value is not None else "ValueError: no"}
        for model, column in values.items() for name, value in zip(NAMES, column, strict=True)
    ]).astype({"vus_pr": float, "auc_pr": float, "auc_roc": float})


def test_a_second_run_does_only_what_is_missing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "published.csv"
    published.write_text("series,family,Oracle\n" + "".join(f"{name},AA,0.9\n" for name in NAMES))
    common = ("series", "--data", str(folder), "--out", str(tmp_path / "out"), "--published", str(published))
    assert run(*common, "--models", "1-NN-centred", "--only", "AA") == 0
    assert "2 runs, 0 of them done before" in capsys.readouterr().out
    kept = (tmp_path / "out" / RESULTS).read_text()
    with (tmp_path / "out" / RESULTS).open("a") as file:
        file.write("03_BB_x,BB,1-NN")  # as a run leaves it that is killed while it writes
    assert run(*common, "--models", "1-NN-centred", "KMeansAD", "--seeds", "0", "1") == 0
    assert "12 runs, 2 of them done before" in capsys.readouterr().out
    assert (tmp_path / "out" / RESULTS).read_text().startswith(kept)
    assert len(read_results(tmp_path / "out" / RESULTS)) == 12
    report = (tmp_path / "out" / "series.md").read_text()
    assert "published: Oracle" in report
    lines = pd.read_csv(tmp_path / "out" / "per_series.csv", index_col="series")
    assert lines.index.tolist() == list(NAMES)
    assert (lines["1-NN-centred vus_pr"] > 0.9).all()
    assert (lines["published: Oracle"] == 0.9).all()


def test_wrong_usage_ends_with_its_code(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("series", "--data", str(folder), "--out", str(tmp_path))
    assert run(*common, "--models", "KNN-7") == 2
    assert "KNN-7" in capsys.readouterr().err
    assert run(*common, "--models", "KMeansAD", "--only", "CC") == 2
    assert run("series", "--data", str(tmp_path), "--out", str(tmp_path), "--models", "KMeansAD") == 3
    assert run(*common, "--models", "KMeansAD", "--published", str(tmp_path / "none.csv")) == 3


def test_figures_equal_the_tool_that_lies_beside_the_data(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, series = shared_data.parent / "tools", shared_data / "series"
    if not ((tools / "series_protocol.py").exists() and series.is_dir()):
        pytest.skip("there is no series_protocol.py, or no series, beside the checkout: an independent judge")
    pytest.importorskip("numba", reason="there is no numba, which series_protocol.py needs")
    monkeypatch.syspath_prepend(str(tools))
    tool = pytest.importorskip("series_protocol")
    model = models()["1-NN-centred"]
    for folder, only in ((series / "univariate", ["001_NAB", "542_SMAP", "391_UCR"]),
                         (series / "multivariate", ["156_SMAP"])):
        expected = list(tool.evaluate(partial(model.make, 0), folder, only))
        paths = choose_series(find_series(folder), only)
        found = [measure(SeriesJob(path, "1-NN-centred", model, 0)) for path in paths]
        assert len(found) == len(expected) == len(only)
        for ours, theirs in zip(found, expected, strict=True):
            assert (ours.series, ours.family, ours.steps, ours.channels) == (
                theirs["series"], theirs["family"], theirs["steps"], theirs["channels"])
            assert (ours.vus_pr, ours.auc_pr, ours.auc_roc) == pytest.approx(
                (theirs["vus_pr"], theirs["auc_pr"], theirs["auc_roc"]), abs=1e-9)
    sys.modules.pop("series_protocol")


def test_only_the_prefix_is_learned_and_every_step_is_judged(folder: Path) -> None:
    series = read_series(find_series(folder)[0])
    model = Level()
    judged = judge(model, series)
    np.testing.assert_array_equal(model.train_, series.values[:150])
    assert (judged.auc_pr, judged.auc_roc) == pytest.approx((1, 1))
    with pytest.raises(InputError, match="300 not finite"):
        judge(Blind(), series)


def test_what_a_model_raises_becomes_its_result(folder: Path) -> None:
    found = measure(SeriesJob(find_series(folder)[0], "blind", MeasuredModel(partial(made, Blind), "pyod"), 0))
    assert found.vus_pr is None
    assert "not finite" in found.error
    assert "\n" not in found.error


def test_series_that_cannot_be_judged_are_refused(tmp_path: Path) -> None:
    for name, arrays in {
        "1_A": {"values": np.zeros(4), "labels": np.array([0, 1, 0, 0])},
        "2_A": {"values": np.zeros(4), "labels": np.zeros(4), "train_end": 2},
        "3_A": {"values": np.zeros(4), "labels": np.array([0, 1, 0]), "train_end": 2},
        "4_A": {"values": np.zeros(4), "labels": np.array([0, 1, 0, 0]), "train_end": 0},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        with pytest.raises(InputError, match="a series has"):
            read_series(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "nameless.npz", values=np.zeros(1))
    with pytest.raises(InputError, match="rename"):
        find_series(tmp_path)


def test_the_last_result_of_a_run_counts_and_failed_ones_are_repeated_when_asked(folder: Path, tmp_path: Path) -> None:
    model = MeasuredModel(partial(made, Level), "pyod")
    jobs = [SeriesJob(path, "level", model, 0) for path in find_series(folder)]
    add_result(SeriesResult.failed(jobs[0], "stopped after 1 seconds"), tmp_path / RESULTS)
    add_result(SeriesResult(jobs[1].data.stem, "AA", "level", 0, "another", "2026-03-01", 300, 1, 0.5, 0.5, 0.5, 1.0),
               tmp_path / RESULTS)
    add_result(measure(jobs[2]), tmp_path / RESULTS)
    frame = read_results(tmp_path / RESULTS)
    assert undone(jobs, frame, again=False) == jobs[3:]
    assert undone(jobs, frame, again=True) == [jobs[0], jobs[1], jobs[3]]
    add_result(measure(jobs[0]), tmp_path / RESULTS)
    frame = read_results(tmp_path / RESULTS)
    assert len(frame) == 3
    assert (frame["error"] == "").all()
    assert frame["vus_pr"].notna().all()


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text("series,model\na,b\n")
    with pytest.raises(InputError, match="delete it"):
        read_results(tmp_path / RESULTS)
    add_result(SeriesResult("1_A", "A", "m", 0, "c", "d"), tmp_path / "words.csv")
    text = (tmp_path / "words.csv").read_text().replace(",0,", ",zero,")
    (tmp_path / "words.csv").write_text(text)
    with pytest.raises(InputError, match="numbers"):
        read_results(tmp_path / "words.csv")


def test_halves_are_of_the_whole_folder() -> None:
    parts = parts_of([NAMES[1], NAMES[2]], NAMES)
    assert {name: chosen.tolist() for name, chosen in parts.items()} == {
        "AA": [True, False], "BB": [False, True], "all": [True, True], "even": [False, True], "odd": [True, False]}


def test_means_are_those_counted_by_hand() -> None:
    frame = pd.concat([results({"ours": [0.2, 0.4, 0.6, 0.8], "other": [0.1, 0.3, None, 0.9]}),
                       results({"ours": [0.4, 0.4, 0.6, 0.8]}, seed=1)], ignore_index=True)
    published = pd.DataFrame({f"{PUBLISHED}X": [0.5, 0.5]}, index=NAMES[:2])
    lines = means(frame, NAMES, published)
    assert lines.index.tolist() == ["ours", f"{PUBLISHED}X", "other"]  # those that lack a series come last
    parts = lines.loc["ours", ["AA", "BB", "all", "even", "odd"]]
    assert parts.tolist() == pytest.approx([0.35, 0.7, 0.525, 0.45, 0.6])
    assert lines.loc["ours", "spread"] == pytest.approx(np.std([0.5, 0.55], ddof=1))
    assert lines["complete"].tolist() == [True, False, False]
    assert (lines.loc["other", "failed"], lines.loc["other", "series"]) == (1, 3)
    assert np.isnan(lines.loc["other", "spread"])
    table = by_series(frame, "vus_pr")
    assert table.loc["01_AA_x"].tolist() == pytest.approx([0.3, 0.1])


def test_differences_are_over_the_series_of_both() -> None:
    frame = results({"ours": [0.2, 0.4, 0.6, 0.8], "other": [0.1, 0.5, None, 0.5]})
    lines = differences(frame, pd.DataFrame({"published: X": [0.1, 0.2, 0.3, 0.4]}, index=list(NAMES)))
    other, published = lines.to_dict("records")
    assert other["mean"] == pytest.approx((0.1 - 0.1 + 0.3) / 3)
    assert (other["wins"], other["losses"], other["series"]) == (2, 1, 3)
    assert other["low"] <= other["mean"] <= other["high"]
    assert published["low"] > 0
    assert differences(frame[frame["model"] == "other"], None).empty


def test_the_bootstrap_equals_the_slow_loop() -> None:
    rng = np.random.default_rng(5)
    ours, other = rng.normal(size=12), rng.normal(size=12)
    found = paired_bootstrap(ours, other, seed=3, resamples=400)
    draws = np.random.default_rng(3).integers(0, 12, (400, 12))
    slow = sorted(sum(ours[i] - other[i] for i in draw) / 12 for draw in draws)

    def quantile(share: float) -> float:
        place = share * (len(slow) - 1)
        low = int(place)
        return slow[low] + (place - low) * (slow[low + 1] - slow[low])

    assert found == pytest.approx((float(np.mean(ours - other)), quantile(0.025), quantile(0.975)))
    assert paired_bootstrap(ours, other) == paired_bootstrap(ours, other)


def test_the_bootstrap_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        ours = rng.normal(0.1, 1, size=60)
        found = paired_bootstrap(ours, np.zeros(60), resamples=500)
        covered += found.low <= 0.1 <= found.high
    assert 0.90 <= covered / 300 <= 0.98


def test_published_figures_are_refused_unless_they_are_numbers_of_series(tmp_path: Path) -> None:
    for text in ("name,X\na,1\n", "series,X\na,1\na,2\n", "series,X\na,good\n"):
        (tmp_path / "published.csv").write_text(text)
        with pytest.raises(InputError, match="published"):
            read_published(tmp_path / "published.csv")


def test_the_report_tells_what_failed(folder: Path, tmp_path: Path) -> None:
    model = MeasuredModel(partial(made, Level), "pyod")
    jobs = [SeriesJob(path, "level", model, 0) for path in find_series(folder)]
    assert write_report(jobs, NAMES, None, tmp_path) == tmp_path
    add_result(SeriesResult.failed(jobs[0], "stopped after 60 seconds"), tmp_path / RESULTS)
    for job in jobs[1:]:
        add_result(measure(job), tmp_path / RESULTS)
    text = write_report(jobs, NAMES, None, tmp_path).read_text()
    assert "level *" in text
    assert "| level | stopped after 60 seconds | 1, as 01_AA_x |" in text
    assert per_series(read_results(tmp_path / RESULTS), None)["level vus_pr"].isna().tolist() == [True, *[False] * 3]


def test_a_text_in_no_name_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="CC"):
        choose_series(find_series(folder), ["AA", "CC"])
