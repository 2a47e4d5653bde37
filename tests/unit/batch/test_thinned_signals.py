import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.batch import signals
from anomaly_cl.batch.signals import Bins, StepSignals
from anomaly_cl.detectors.series_table import SURPRISE
from tests.unit.detectors.made_up_readings import STRANGE, readings, untrained


@pytest.fixture(scope="module")
def detector():
    return untrained(readings())


@pytest.fixture(scope="module")
def steps(detector):
    """Steps of two entities in no order, with a long and a short gap in those of the second."""
    rows = readings().drop(index=[*range(1_400, 1_600), 1_700, 1_701]).sample(frac=1, random_state=0)
    return detector.steps(pa.Table.from_pandas(rows, preserve_index=False)).rows


def by_time(steps, name):
    frame = steps.to_pandas()
    return frame[frame["who"] == name].sort_values("at").reset_index(drop=True)


def without_gaps(values):
    return [value for value in values if value is not None]


@pytest.mark.parametrize("most", [40, 50_000])
def test_a_thinned_series_has_the_low_and_high_of_a_slow_loop(detector, steps, most, monkeypatch):
    monkeypatch.setattr(signals, "WHOLE", most)
    monkeypatch.setattr(signals, "PIECE", 100)
    found = next(iter(StepSignals(detector, steps).whole(["b"], "run"))).points
    frame = by_time(steps, "b")
    lengths = {len(found["time"]), len(found["surprise"]), *(len(ends["low"]) for ends in found["channels"].values())}
    assert len(lengths) == 1
    assert max(lengths) <= most
    times = pd.to_datetime(without_gaps(found["time"]))
    starts = [int(np.flatnonzero(frame["at"] == time)[0]) for time in times]
    assert starts[0] == 0
    assert max(np.diff([*starts, len(frame)])) <= -(-len(frame) // len(starts))
    score = detector.score_table(pa.Table.from_pandas(frame)).score
    for i, (start, end) in enumerate(zip(starts, [*starts[1:], len(frame)], strict=True)):
        for channel in ("heat", "flow"):
            low = min(frame[channel][start:end])
            assert without_gaps(found["channels"][channel]["low"])[i] == pytest.approx(low, rel=1e-5)
            high = max(frame[channel][start:end])
            assert without_gaps(found["channels"][channel]["high"])[i] == pytest.approx(high, rel=1e-5)
        assert without_gaps(found["surprise"])[i] == pytest.approx(max(score[start:end]), rel=1e-5)
    assert found["time"].count(None) == 1
    gap = found["time"].index(None)
    assert found["time"][gap - 1] < "2026-01-01T03:20:00" < found["time"][gap + 1]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("n_gaps", [0, 3, 700])
def test_bins_and_gaps_together_are_not_more_than_a_screen_has(n_gaps):
    moved = np.ones(9_999)
    moved[np.random.default_rng(0).choice(9_999, n_gaps, replace=False)] = 50
    bins = Bins.of(moved, 10, 1_000)
    drawn = bins.drawn(np.zeros(len(bins.starts)))
    assert len(drawn) <= 1_000
    if n_gaps <= 500:
        assert drawn.count(None) == len(set(np.searchsorted(bins.starts, np.flatnonzero(moved > 11), "right")) - {
            len(bins.starts)})


def test_the_steps_around_a_span_are_it_and_a_window_and_a_half_on_each_side(detector, steps):
    frame = by_time(steps, "b")
    at = readings()["at"][1_200 + STRANGE.start]
    span = {"start": at, "end": at + pd.Timedelta(minutes=5), "channels": ["heat"]}
    found = StepSignals(detector, steps).around("b", span)
    near = frame[(frame["at"] >= at - pd.Timedelta(minutes=18)) & (frame["at"] <= at + pd.Timedelta(minutes=23))]
    assert found["time"] == [time.isoformat() for time in near["at"]]
    assert list(found["channels"]) == list(found["surprise"]) == ["heat"]
    np.testing.assert_allclose(found["channels"]["heat"], near["heat"], rtol=1e-5)
    np.testing.assert_allclose(found["surprise"]["heat"], near[SURPRISE + "heat"], rtol=1e-5)


def test_a_long_span_keeps_the_strangest_step_of_each_bin(detector, steps, monkeypatch):
    monkeypatch.setattr(signals, "AROUND", 20)
    frame = by_time(steps, "a")
    span = {"start": frame["at"].iloc[0], "end": frame["at"].iloc[-1], "channels": ["flow", "heat"]}
    found = StepSignals(detector, steps).around("a", span)
    assert len(found["time"]) == 20
    score = detector.score_table(pa.Table.from_pandas(frame)).score
    starts = np.arange(20) * len(frame) // 20
    expected = [start + int(np.argmax(score[start:end]))
                for start, end in zip(starts, [*starts[1:], len(frame)], strict=True)]
    assert found["time"] == [frame["at"][step].isoformat() for step in expected]


def test_cells_that_were_not_measured_are_none():
    bins = Bins.of(np.ones(3), 10, 2)
    values = np.array([np.nan, np.nan, 1.0, np.nan])
    assert bins.low(values) == bins.high(values) == [None, 1.0]
    assert Bins.of(np.ones(0), 10, 2).high(np.array([2.0])) == [2.0]


def test_one_series_without_entity_is_named_by_the_empty_text(detector, steps):
    series = SimpleNamespace(**{name: getattr(detector.series_schema_, name) for name in ("time", "channels")},
                             entity=None)
    alone = SimpleNamespace(series_schema_=series, grid_=detector.grid_, scorer_=detector.scorer_)
    part = steps.filter(pa.compute.equal(steps["who"], "a"))
    assert [signal.entity for signal in StepSignals(alone, part).whole([""], "run")] == [""]
