from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.__main__ import main
from apps.benchmark.explanations import measures, methods, planting, runs
from apps.benchmark.explanations.methods import METHODS, SHAP, Scene, choose
from apps.benchmark.explanations.planting import KINDS, Normals, plant, plant_all
from apps.benchmark.explanations.report import means, of_same_rows, write_report


def normals(seed: int = 0, columns: int = 6) -> Normals:
    """Rows of which all columns follow one factor."""
    rng = np.random.default_rng(seed)
    both = rng.standard_normal((600, 1)) + 0.3 * rng.standard_normal((600, columns))
    return Normals(both[:300], both[300:])


def test_hits_are_counted_as_by_hand() -> None:
    order = measures.ranked(np.array([[0.1, 3, 2, -1], [5, 5, 0, 0], [0, 1, 2, 3]]))
    np.testing.assert_array_equal(order, [[1, 2, 0, 3], [0, 1, 2, 3], [3, 2, 1, 0]])
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]], bool)
    np.testing.assert_array_equal(measures.hit_first(order, mask), [1, 0, 0])
    np.testing.assert_allclose(measures.hit_share(order, mask), [2 / 3, 1, 0])


def test_deletion_area_equals_the_loop_over_columns() -> None:
    rng = np.random.default_rng(1)
    rows, normal, weights = rng.normal(3, 1, (5, 4)), rng.normal(0, 1, (5, 4)), np.array([1, 5, 2, 3])

    def score(X: np.ndarray) -> np.ndarray:
        return np.square(X) @ weights + X[:, 0] * X[:, 1]

    order = rng.permuted(np.tile(np.arange(4), (5, 1)), axis=1)
    for row, found in enumerate(measures.deletion_areas(score, rows, order, normal)):
        changed = rows[row].copy()
        curve = [float(score(changed[None])[0])]
        for column in order[row]:
            changed[column] = normal[row, column]
            curve.append(float(score(changed[None])[0]))
        shares = [(value - curve[-1]) / (curve[0] - curve[-1]) for value in curve]
        assert found == pytest.approx(sum((a + b) / 2 for a, b in itertools.pairwise(shares)) / 4)


def test_an_additive_score_falls_fastest_by_its_own_terms() -> None:
    rng = np.random.default_rng(2)
    rows, normal = rng.normal(3, 1, (20, 5)), np.zeros((20, 5))
    best = measures.ranked(rows)
    areas = [measures.deletion_areas(lambda X: X.sum(axis=1), rows, order, normal).mean()
             for order in (best, rng.permuted(best, axis=1), best[:, ::-1])]
    assert areas == sorted(areas)


def test_a_score_that_does_not_fall_has_no_area() -> None:
    rows = np.ones((2, 3))
    assert np.isnan(measures.deletion_areas(lambda X: X.sum(axis=1), rows, measures.ranked(rows), rows)).all()


def test_the_nearest_normal_row_is_that_of_the_double_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    normal, rows = rng.normal(size=(40, 3)) * [1, 10, 100], rng.normal(size=(7, 3)) * [2, 20, 1e6]
    apart = [[sum(min(abs(a - b) / s, measures.NEAR) for a, b, s in zip(row, other, normal.std(axis=0), strict=True))
              for other in normal] for row in rows]
    expected = normal[np.argmin(apart, axis=1)]
    np.testing.assert_array_equal(measures.nearest_normal(rows, normal), expected)
    monkeypatch.setattr(measures, "CELLS", 250)
    np.testing.assert_array_equal(measures.nearest_normal(rows, normal), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_only_planted_columns_change(kind: str, count: int) -> None:
    made = normals()
    planted, mask = plant(np.random.default_rng(0), KINDS[kind], made.others, count, made)
    assert (mask.sum(axis=1) == count).all()
    assert mask.any(axis=0).all()
    np.testing.assert_array_equal(planted[~mask], made.others[~mask])
    assert (planted[mask] != made.others[mask]).all()


def test_each_kind_is_what_its_name_says() -> None:
    made, rng, column = normals(), np.random.default_rng(4), 2
    known, own = made.learned[:, column], made.others[:, column]
    far = KINDS["extreme"](rng, own, column, made)
    assert ((far < known.min()) | (far > known.max())).all()
    moved = np.abs(KINDS["shifted"](rng, own, column, made) - own) / known.std()
    assert moved.min() >= 2
    assert moved.max() <= 4
    other = KINDS["swapped"](rng, own, column, made)
    assert np.isin(other[~np.isnan(other)], own).all()
    assert np.nanmin(np.abs(other - own)) >= known.std()


def test_a_value_without_a_different_donor_is_left_out() -> None:
    still = Normals(np.arange(60.0).reshape(10, 6), np.ones((5, 6)))
    assert np.isnan(KINDS["swapped"](np.random.default_rng(0), still.others[:, 0], 0, still)).all()


def test_columns_of_whole_numbers_get_whole_numbers() -> None:
    whole = Normals(*(np.column_stack([np.rint(10 * part[:, 0]), part[:, 1:]]) for part in normals()))
    planted, mask = plant(np.random.default_rng(0), KINDS["shifted"], whole.others, 2, whole)
    assert (planted[:, 0] == np.rint(planted[:, 0])).all()
    assert (planted[mask[:, 1], 1] != np.rint(planted[mask[:, 1], 1])).all()


def test_kept_rows_are_those_that_the_detector_came_to_notice() -> None:
    made = normals()

    def p_value(rows: np.ndarray) -> np.ndarray:
        return np.where(np.abs(rows - rows.mean(axis=1, keepdims=True)).max(axis=1) > 1.5, 0.005, 0.5)

    kept = plant_all(p_value, made, [0, 7])
    assert (p_value(kept.rows) <= planting.ALERT).all()
    assert (kept.mask.sum(axis=1) == kept.counts).all()
    assert kept.places.max() == planting.ROWS - 1
    calm = p_value(made.others) > planting.UNSUSPICIOUS
    for row, mask in zip(kept.rows, kept.mask, strict=True):
        assert (made.others[calm][:, ~mask] == row[~mask]).all(axis=1).any()
    for (kind, count), (noticed, tried) in kept.found.items():
        cell = (kept.kinds == kind) & (kept.counts == count)
        assert cell.sum() == min(noticed, planting.ROWS)
        assert noticed <= tried <= planting.TRIES
    np.testing.assert_array_equal(plant_all(p_value, made, [0, 7]).rows, kept.rows)


def test_a_detector_that_notices_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="noticed none"):
        plant_all(lambda rows: np.ones(len(rows)), normals(), [0])


def test_sets_are_the_first_that_suit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, columns, n_values, n_rows in [("1_narrow", 5, 99, 1200), ("2_coarse", 6, 9, 1200), ("3_few", 6, 99, 900),
                                            ("4_good", 6, 99, 1200), ("5_too", 7, 12, 1100), ("6_late", 6, 99, 1200)]:
        np.savez(tmp_path / f"{name}.npz", X=rng.integers(n_values, size=(n_rows, columns)), y=np.zeros(n_rows, int))
    files = sorted(tmp_path.glob("*.npz"))
    assert [file.stem for file in planting.chosen(files, 2)] == ["4_good", "5_too"]
    with pytest.raises(InputError, match="none of 3 has"):
        planting.chosen(files[:3])


class MadeUpDetector:
    """Stands in for a fitted detector: the squared length of a row."""

    @staticmethod
    def decision_function(rows: np.ndarray) -> np.ndarray:
        return np.square(rows).sum(axis=1)


@pytest.fixture
def scene() -> Scene:
    return Scene(MadeUpDetector(), np.random.default_rng(0).normal(size=(80, 4)), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ECOD", "|z|"])
def test_what_a_method_says_of_a_row_does_not_depend_on_its_batch(name: str, scene: Scene) -> None:
    rows = np.r_[np.random.default_rng(1).normal(size=(6, 4)), [[0, 9.0, 0, 0]]]
    whole = METHODS[name](scene, rows)
    assert whole.shape == rows.shape
    assert whole[-1].argmax() == 1
    np.testing.assert_array_equal(METHODS[name](scene, rows[2:4]), whole[2:4])


def test_shap_values_of_a_sum_are_its_terms_less_their_means(scene: Scene) -> None:
    pytest.importorskip("shap", reason="shap is not installed")
    rows, before = np.array([[0, 9.0, 1, 0], [3, 0, 0, -4]]), np.random.get_state()[1].copy()  # type: ignore[index]
    found = methods.kernel_shap(scene, rows)
    background = np.random.default_rng(0).permutation(scene.normal)[:methods.BACKGROUND]
    np.testing.assert_allclose(found, np.square(rows) - np.square(background).mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


def test_without_shap_the_error_says_how_to_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="leave it out with --methods ours"):
        choose()
    assert list(choose(["ours", "random"])) == ["ours", "random"]
    with pytest.raises(UsageError, match="methods are among"):
        choose(["LIME"])


def test_the_rows_compared_with_shap_are_those_it_explained() -> None:
    lines = [{"data": data, "seed": seed, "kind": "extreme", "columns": 1, "place": place, "model": name}
             for name in ("ours", SHAP) for data in ("a", "b") for seed in (0, 1) for place in (0, 1)
             if name != SHAP or (seed == 0 and place == 0)]
    same = of_same_rows(pd.DataFrame(lines))
    assert len(same) == 4
    assert set(same["seed"]) == set(same["place"]) == {0}


def test_means_are_over_sets_of_means_over_rows_and_seeds() -> None:
    lines = [{"data": data, "seed": seed, "kind": "extreme", "columns": 1, "place": place, "model": "ours",
              "half": half, "hit1": hit, "hit3": hit / 2, "area": 1 - hit, "seconds": 0.5}
             for data, half, hits in (("a", "first half", [1, 1, 1, 0]), ("b", "second half", [1, 0]))
             for seed, place, hit in [(i % 2, i // 2, float(hit)) for i, hit in enumerate(hits)]]
    line = means(pd.DataFrame(lines)).loc["ours"]
    assert line["hit@1"] == pytest.approx((0.75 + 0.5) / 2)
    assert line["hit@1 first half"] == pytest.approx(0.75)
    assert line["hit@3 second half"] == pytest.approx(0.25)
    assert line["deletion"] == pytest.approx(1 - line["hit@1"])
    assert line["s"] == pytest.approx(50)


def test_the_report_compares_with_shap_on_its_rows_and_on_all_without_it(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(0), []
    for name, hit, seconds in (("ours", 0.9, 0.01), (SHAP, 0.8, 1.0), ("random", 0.2, 1e-6)):
        lines += [{"data": data, "seed": 0, "model": name, "kind": kind, "columns": count, "place": place,
                   "hit1": hit if place else 0.5, "hit3": hit, "area": rng.random(), "noticed": 50, "tried": 200,
                   "seconds": seconds, "code": "x", "date": "2026-01-02"}
                  for data in ("1_a", "2_b") for kind in KINDS for count in (1, 2) for place in (0, 1)
                  if name != SHAP or not place]
    file = write_report(pd.DataFrame(lines), ["1_a", "2_b"], tmp_path)
    everything, of_shap = file.read_text(encoding="utf-8").split(f"## The 12 rows that {SHAP} explained")
    assert f"| {SHAP} |" not in everything
    assert "| ours | 0.700 | 0.700 | 0.700 | 0.900 |" in everything
    assert f"| {SHAP} | 0.500 |" in of_shap
    assert "Times as fast as KernelSHAP, by mean CPU seconds: ours 100." in of_shap
    assert "| extreme, 2 columns | 400 | 25% |" in of_shap


def test_the_command_measures_once_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = normals()
    for name in ("1_one", "2_other"):
        X = np.r_[normals(int(name[0])).learned, made.others]
        np.savez(tmp_path / f"{name}.npz", X=X, y=np.zeros(len(X), int))
    monkeypatch.setattr(planting, "FEWEST_NORMAL", 500)
    monkeypatch.setattr(planting, "TRIES", 40)
    monkeypatch.setattr(runs, "TabularDetector", lambda random_state: methods.TabularDetector("none", random_state))
    command = ["explanations", "--data", str(tmp_path), "--out", str(tmp_path), "--methods", "ours", "|z|", "random"]
    with pytest.raises(SystemExit, match="0"):
        main(command)
    assert "ours: " in capsys.readouterr().out
    report = (tmp_path / "explanations.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(command)
    assert "ours: " not in capsys.readouterr().out
    assert (tmp_path / "explanations.md").read_text(encoding="utf-8") == report
    frame = pd.read_csv(tmp_path / runs.FILE)
    found = frame.groupby("model")[["hit1", "area"]].mean()
    assert found.loc["ours", "hit1"] > 0.8 > 0.5 > found.loc["random", "hit1"]
    assert found.loc["ours", "area"] < found.loc["random", "area"]
    assert "| 1_one |" in report
    assert "KernelSHAP" not in report
    assert "swapped, 3 columns" in report
    assert write_report(frame, ["1_one", "2_other"], tmp_path).name == "explanations.md"
