from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.scoring.spans import Span
from apps.benchmark.__main__ import main
from apps.benchmark.guarantees import false_alarms, large_series, span_kinds
from apps.benchmark.guarantees.false_alarms import measure, measure_series, shares
from apps.benchmark.guarantees.large_series import ARRAY, COMMAND, INPUT, MODEL, LargeTask, done, readings
from apps.benchmark.guarantees.normal_series import COEFFICIENTS, NormalKind, autoregressive, kinds
from apps.benchmark.guarantees.report import false_alarm_tables, memory_table, span_tables
from apps.benchmark.guarantees.runs import measure_undone
from apps.benchmark.guarantees.span_kinds import APART, Placed, Plant, judged, placed

MINUTES = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(12), "min")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without encoders, as these take seconds to train."""
    for module in (false_alarms, span_kinds):
        monkeypatch.setattr(module, "SeriesDetector", partial(SeriesDetector, members=0))


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_an_autoregression_has_variance_1_and_its_coefficient_from_the_first_step_on(coefficient: float) -> None:
    starts = np.array([autoregressive(np.random.default_rng(seed), 2, coefficient) for seed in range(4_000)])
    assert starts.var(axis=0) == pytest.approx([1, 1], abs=0.1)
    assert np.corrcoef(starts.T)[0, 1] == pytest.approx(coefficient, abs=0.05)


def test_each_kind_makes_series_of_its_seed() -> None:
    for kind in kinds():
        made = kind.draw(np.random.default_rng(3), 50)
        assert made.shape == (50, 3 if kind.name.startswith("3") else 1)
        np.testing.assert_array_equal(made, kind.draw(np.random.default_rng(3), 50))


def test_only_new_steps_move() -> None:
    moved = next(kind for kind in kinds() if kind.move == 2)
    (normal, new), whole = moved.series(np.random.default_rng(0), 300, 50), moved.draw(np.random.default_rng(0), 350)
    np.testing.assert_array_equal(normal, whole[:300])
    np.testing.assert_allclose(new, whole[300:] + 2 * normal.std())


def test_shares_count_p_values_at_or_under_a_level() -> None:
    assert shares(np.array([0.2, 0.01, 0.0101, 0.0005])) == {"p <= 0.1": 0.75, "p <= 0.01": 0.5, "p <= 0.001": 0.25}


def test_a_line_counts_alerts_and_spans(untrained: None) -> None:
    def spiked(rng: np.random.Generator, n_steps: int) -> np.ndarray:
        wave = np.sin(np.arange(n_steps) / 3)[:, None] + 0.1 * rng.standard_normal((n_steps, 1))
        wave[n_steps - 200:n_steps - 190] += 30
        return wave

    line = measure_series(NormalKind("spiked", spiked), 0, 2_000, 500)
    assert line["alerts"] == 10_000 * line["p <= 0.01"] >= 10_000 * 10 / 500
    assert line["spans"] == 10_000 / 500


def test_what_the_file_holds_is_not_measured_again(tmp_path: Path, untrained: None) -> None:
    said: list[str] = []
    one = measure(kinds()[:1], [0], 200, 200, tmp_path, said.append)
    two = measure(kinds()[:1], [0, 1], 200, 200, tmp_path, said.append)
    assert len(said) == 2
    pd.testing.assert_frame_equal(two[:1], one, check_dtype=False)


def test_only_the_wanted_lines_are_returned(tmp_path: Path) -> None:
    measure_undone(tmp_path / "a.csv", ["x"], [(1,), (2,)], lambda key: [{"x": key[0]}] * 2)
    assert list(measure_undone(tmp_path / "a.csv", ["x"], [(2,), (3,)], lambda key: {"x": key[0]})["x"]) == [2, 2, 3]


def test_true_spans_are_runs_of_one_machine_and_kind() -> None:
    watched = pd.DataFrame({
        "measured_at": np.repeat(MINUTES, 2), "machine": ["b", "a"] * 12, "is_anomaly": 0, "anomaly_kind": None})
    for machine, steps, kind in (("a", [0, 1, 2], "spike"), ("a", [3, 4], "drift"), ("a", [11], "spike"),
                                 ("b", [0], "frozen")):
        rows = watched["measured_at"].isin(MINUTES[steps]) & (watched["machine"] == machine)
        watched.loc[rows, "is_anomaly"] = 1
        watched.loc[rows, "anomaly_kind"] = kind
    spans = pd.DataFrame({"machine": ["b"], "start": MINUTES[[2]], "end": MINUTES[[5]], "peak": MINUTES[[3]]})
    found = placed(watched, spans, 60)
    assert [(span.start, span.end) for span in found.true] == [(0, 2), (3, 4), (11, 11), (APART, APART)]
    assert found.kinds == ["spike", "drift", "spike", "frozen"]
    assert found.found == [Span(APART + 2, APART + 5, APART + 3)]


def test_spans_are_judged_by_kind() -> None:
    true = [Span(10, 19, 10), Span(40, 49, 40), Span(80, 81, 80)]
    whole, drift, spike = judged(Placed(true, ["drift", "drift", "spike"], [Span(5, 14, 5), Span(17, 24, 17),
                                                                             Span(60, 70, 60), Span(80, 90, 85)]))
    assert (whole["true"], whole["found"], whole["false"], whole["precision"]) == (3, 4, 1, 0.75)
    assert whole["recall"] == pytest.approx(2 / 3)
    assert (drift["true"], drift["recall"], drift["covered"], drift["delay"]) == (2, 0.5, 0.8, 0)
    assert (spike["recall"], spike["covered"], spike["delay"]) == (1, 1, 0)
    assert judged(Placed(true[:1], ["drift"], [Span(14, 30, 14)]))[1]["delay"] == 4


def test_a_plant_is_watched_from_where_its_normal_days_end() -> None:
    plant = Plant(machines=2, channels=2, normal_days=2, watched_days=20, anomaly_share=0.1, step_seconds=3600)
    normal, watched = plant.tables(0)
    assert normal.num_rows == 2 * 2 * 24
    assert watched.num_rows == 2 * 20 * 24
    assert not any(normal["is_anomaly"].to_pylist())
    assert any(watched["is_anomaly"].to_pylist())
    assert watched["measured_at"][0].as_py() - normal["measured_at"][-1].as_py() == pd.Timedelta(hours=1)


def test_the_readings_of_a_long_series_are_those_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_series, "CHUNK", 70)
    large_series.write_readings(tmp_path / INPUT, 200, 2, 1)
    table = pq.read_table(tmp_path / INPUT)
    np.testing.assert_array_equal(np.stack([table["c0"], table["c1"]], axis=1), np.concatenate([*readings(200, 2, 1)]))
    assert set(np.diff(table["at"].to_numpy()).astype(int)) == {large_series.STEP_US}


def test_a_long_series_is_scored_as_an_array_and_from_a_file(tmp_path: Path) -> None:
    large_series.write_readings(tmp_path / "normal.parquet", 900, 2, 0)
    SeriesDetector(time="at", members=0).fit(tmp_path / "normal.parquet").save(tmp_path / MODEL)
    large_series.write_readings(tmp_path / INPUT, 500, 2, 1)
    for way in (ARRAY, COMMAND):
        line = done(LargeTask(way, tmp_path, 900, 500, 2))
        assert line["way"] == way
        assert line["steps a second"] == 500 / line["seconds"] > 0
        assert line["peak_megabytes"] > 10
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 500
    assert "500 | 2" in memory_table(pd.DataFrame([line]))


def test_the_commands_write_their_tables(tmp_path: Path, untrained: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> Any:
        with pytest.raises(SystemExit) as end:
            main(["guarantees", *arguments, "--out", str(tmp_path)])
        return end.value.code

    monkeypatch.setattr(span_kinds, "Plant", partial(Plant, normal_days=30, step_seconds=7200, anomaly_share=0.1))
    assert run("false-alarms", "--series", "1", "--normal", "300", "--new", "200") == 0
    assert run("spans", "--seeds", "0", "1", "--machines", "1", "--channels", "1", "--days", "100") == 0
    alarms = (tmp_path / "series-false-alarms.md").read_text()
    assert "300 normal steps, 200 new ones" in alarms
    assert all(kind.name in alarms for kind in kinds())
    assert "machine-weeks" in (tmp_path / "series-spans.md").read_text()


def test_a_table_of_spans_weighs_seeds_by_their_spans() -> None:
    line = {"kind": "all kinds", "seed": 0, "machine_weeks": 2.0, "alerted": 0.1, "window": 8, "found": 4, "false": 1,
            "steps": 5.0}
    frame = pd.DataFrame([line | {"true": 3, "recall": 1.0, "covered": 0.5, "delay": 2.0},
                          line | {"seed": 1, "true": 1, "recall": 0.0}])
    told, table = span_tables(frame)
    assert "8 spans found, 2 of them false; precision 0.75, 0.50 false spans a machine-week" in told
    assert "| all kinds | 4 | 0.75 | 0.50 | 2 |" in table


def test_a_table_of_false_alarms_has_a_line_for_each_kind_and_all() -> None:
    line = {"normal_steps": 100, "new_steps": 50, "p <= 0.01": 0.02, "alerts": 200.0, "spans": 10.0, "window": 8,
            "calibration": 20}
    moved = next(kind.name for kind in kinds() if kind.move)
    [table] = false_alarm_tables(pd.DataFrame([line | {"kind": "a"}, line | {"kind": "b", "p <= 0.01": 0.0},
                                               line | {"kind": moved, "p <= 0.01": 0.9}]))
    assert "| all of these | 2 | 8 | 20 | 0.0100 | 0.0200 | 50% |" in table
