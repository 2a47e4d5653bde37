from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_models import Centre, Failing, NotFinite
from sklearn.metrics import roc_auc_score

from anomaly_cl.errors import InputError
from apps.benchmark.data import find_sets, one_class_split, read_set
from apps.benchmark.models import Model
from apps.benchmark.report import write_report
from apps.benchmark.results import Job, measure, read_result, read_results, write_result
from apps.benchmark.run import is_done, jobs

MODELS = {"ours": Model(Centre, "pyod"), "KNN-1": Model(Centre, "pyod"), "bad": Model(Failing, "pyod")}


def job(sets: Path, model: Model, **changes: object) -> Job:
    return replace(Job(find_sets(sets)[0], "name", model, 0), **changes)  # type: ignore[arg-type]


def test_a_result_is_the_area_on_the_split(sets: Path) -> None:
    result = measure(job(sets, MODELS["ours"]))
    X, y = read_set(find_sets(sets)[0])
    train, test, _ = one_class_split(y, 0)
    scores = Centre(0).fit(X[train]).decision_function(X[test])
    assert result.auc_roc == pytest.approx(100 * roc_auc_score(y[test], scores))
    assert (result.rows, result.features, result.test_rows, result.test_anomalies) == (30, 4, 42, 12)
    assert result.error == ""


def test_a_failing_model_is_a_result_with_its_error(sets: Path) -> None:
    assert measure(job(sets, MODELS["bad"])).error == "ValueError: cannot learn | this"
    assert "not finite" in measure(job(sets, Model(NotFinite, "pyod"))).error


def test_results_survive_their_file(sets: Path, tmp_path: Path) -> None:
    one = job(sets, MODELS["ours"], share=0.05)
    result = measure(one)
    write_result(result, one.file(tmp_path))
    assert list(read_results(tmp_path)) == [result]
    assert not list(tmp_path.rglob("*.part"))


def test_a_torn_result_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": ')
    with pytest.raises(InputError, match=r"a\.json"):
        read_result(tmp_path / "a.json")


def test_what_is_done_is_not_done_again_unless_asked(sets: Path, tmp_path: Path) -> None:
    good, bad = job(sets, MODELS["ours"]), job(sets, MODELS["bad"], name="bad")
    assert not is_done(good, tmp_path)
    for one in (good, bad):
        write_result(measure(one), one.file(tmp_path))
    assert is_done(good, tmp_path)
    assert is_done(bad, tmp_path)
    assert is_done(good, tmp_path, again=True)
    assert not is_done(bad, tmp_path, again=True)
    assert not is_done(job(sets, Model(Failing, "pyod")), tmp_path, again=True)  # another program by this name


def test_shares_are_measured_beside_a_clean_control_for_chosen_models(sets: Path) -> None:
    planned = list(jobs(find_sets(sets), MODELS, [0, 1], [0.05]))
    assert len(planned) == 2 * 2 * (3 + 2 * 2)
    assert {one.name for one in planned if one.share is not None} == {"ours", "KNN-1"}
    assert {one.share for one in planned} == {None, 0.0, 0.05}
    assert [one.seed for one in planned] == sorted(one.seed for one in planned)
    assert len({one.file(Path()) for one in planned}) == len(planned)


def test_the_report_hides_nothing(sets: Path, tmp_path: Path) -> None:
    for one in jobs(find_sets(sets), MODELS, [0], [0.05]):
        write_result(measure(one), one.file(tmp_path))
    write_report(tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| bad * | – |" in table
    assert "| bad | 9_odd | 0 | ValueError: cannot learn \\| this |" in table
    assert "| **ours** |" in table
    assert "AUC-PR at 5 %" in table
    assert "Python" in table
    assert "failed" in (tmp_path / "per_set.md").read_text()
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + 2 * (3 + 2 * 2)
    for plot in ("critical_difference", "per_set"):
        assert (tmp_path / f"{plot}.html").stat().st_size < 100_000
        assert "KNN-1" in (tmp_path / f"{plot}.svg").read_text()


def test_the_report_is_the_same_for_the_same_results(sets: Path, tmp_path: Path) -> None:
    for one in jobs(find_sets(sets), MODELS, [0]):
        write_result(measure(one), one.file(tmp_path))
    files = ("results.csv", "table.md", "per_set.md", "per_set.svg", "critical_difference.svg")
    write_report(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in files]
    write_report(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in files] == first


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none"):
        write_report(tmp_path)
