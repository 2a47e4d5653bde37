from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.series_grid import GridPlan, fill_short, plan_grid, regular_series

MINUTE = 60_000_000
NAN = float("nan")


def counted(times: list, values: list | None = None, **more: list) -> pa.Table:
    return pa.table({"t": times, "x": [float(i) for i in range(len(times))] if values is None else values} | more)


def grid(table: pa.Table, step: int = 10, longest_gap: int = 3, entity: str | None = None):
    return regular_series(table, GridPlan(entity, "t", ("x",), step, longest_gap))


def noisy_machines(rng: np.random.Generator) -> pa.Table:
    """Two machines by the minute, times off by up to 10 s, a tenth of the rows lost, some twice or three times."""
    frames = []
    for name in ("b", "a"):
        minutes = np.flatnonzero(rng.random(400) > 0.1)
        minutes = np.sort(np.concatenate([minutes, minutes[::9], minutes[::18]]))
        jitter = rng.integers(-MINUTE // 6, MINUTE // 6, len(minutes))
        frames.append(pd.DataFrame({"m": name, "t": (minutes + 1_000) * MINUTE + jitter,
                                    "x": rng.normal(size=len(minutes))}))
    frame = pd.concat(frames)
    frame.loc[rng.random(len(frame)) < 0.05, "x"] = np.nan
    frame["t"] = frame["t"].astype("datetime64[us]")
    return pa.Table.from_pandas(frame, preserve_index=False)


def test_values_are_those_of_pandas_resample():
    table = noisy_machines(np.random.default_rng(0))
    series, report = regular_series(table, GridPlan("m", "t", ("x",), MINUTE, 1_000))
    assert [part.entity for part in series] == ["a", "b"]
    for part in series:
        rows = table.to_pandas().query("m == @part.entity")
        shift = pd.Timedelta((part.start_us + MINUTE // 2) % MINUTE, "us")
        expected = rows.set_index("t")["x"].resample("1min", offset=shift).mean()
        np.testing.assert_allclose(part.values[:, 0], expected.to_numpy(), rtol=1e-12)
    assert report.missing_cells == {"x": sum(int(np.isnan(part.values).sum()) for part in series)}
    assert report.duplicates == table.num_rows - sum(len(np.unique(part.steps)) for part in series)


def test_shuffled_rows_give_the_same_series_to_the_last_bit():
    rng = np.random.default_rng(1)
    table = noisy_machines(rng)
    order = rng.permutation(table.num_rows)
    plan = plan_grid(table, "m", "t", ["x"])
    assert plan == plan_grid(table.take(order), "m", "t", ["x"])
    for one, other in zip(regular_series(table, plan)[0], regular_series(table.take(order), plan)[0], strict=True):
        assert (one.entity, one.start_us) == (other.entity, other.start_us)
        np.testing.assert_array_equal(one.values, other.values)
        place = dict(zip(order[other.row_numbers].tolist(), other.steps.tolist(), strict=True))
        assert place == dict(zip(one.row_numbers.tolist(), one.steps.tolist(), strict=True))


def test_every_row_is_placed_or_rejected_with_its_rule():
    table = pa.table({"t": [0.0, 10.0, None, NAN, 20.5, 20.0, 1e300, 30.0], "x": range(8),
                      "m": ["a", "a", "a", "a", "a", "a", "a", None]})
    series, report = grid(table, entity="m")
    assert [row for row, _ in report.rejected] == [2, 3, 4, 6, 7]
    assert len({rule for _, rule in report.rejected}) == 4
    assert series[0].row_numbers.tolist() == [0, 1, 5]
    assert report.rows == 8
    assert "1 rows rejected: the entity is missing" in report.lines()


def test_a_series_is_cut_only_where_a_gap_is_longer_than_the_longest():
    series, report = grid(counted([0, 10, 50, 100, 110]))
    np.testing.assert_array_equal(series[0].values[:, 0], [0, 1, NAN, NAN, NAN, 2])
    np.testing.assert_array_equal(series[1].values[:, 0], [3, 4])
    assert [part.start_us for part in series] == [0, 100]
    assert (report.gaps, report.cuts, report.missing_cells) == (1, 1, {"x": 3})


def test_a_late_first_row_does_not_shift_the_grid():
    series, report = grid(counted([4, 10, 20, 30, 40]))
    assert series[0].start_us == 0
    assert series[0].steps.tolist() == [0, 1, 2, 3, 4]
    assert report.resampled == 1


def test_infinite_values_are_not_measured_and_counted():
    series, report = grid(counted([0, 10, 10, 20], [1.0, float("inf"), 3.0, float("-inf")]))
    np.testing.assert_array_equal(series[0].values[:, 0], [1, 3, NAN])
    assert report.infinite_cells == {"x": 2}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_change_of_clocks_leaves_no_gap_where_times_have_a_zone(unit):
    instants = [datetime(2026, 10, 24, 22 + i, tzinfo=UTC) for i in range(2)]
    instants += [datetime(2026, 10, 25, i, tzinfo=UTC) for i in range(6)]
    table = counted(pa.array(instants, pa.timestamp(unit, "Europe/Berlin")), list(range(8)))
    plan = plan_grid(table, None, "t", ["x"])
    series, report = regular_series(table, plan)
    assert plan.step_us == 60 * MINUTE
    assert series[0].values[:, 0].tolist() == list(range(8))
    assert (series[0].start_us, report.gaps) == (int(instants[0].timestamp()) * 1_000_000, 0)


def test_no_rows_make_no_series():
    series, report = grid(pa.table({"t": pa.array([], pa.int64()), "x": pa.array([], pa.float64())}))
    assert (series, report.steps) == ([], 0)


@pytest.mark.parametrize(("times", "rule"), [
    ([0, 1], "at least 3"), ([0, 0, 0, 0, 5], "must differ"),
    (np.random.default_rng(0).exponential(1e6, 500).cumsum().astype(int).tolist(), "regular step"),
])
def test_times_without_a_regular_step_are_refused(times, rule):
    with pytest.raises(InputError, match=rule):
        plan_grid(counted(pa.array(times, pa.int64())), None, "t", ["x"])


def test_interleaved_entities_without_their_column_are_refused():
    table = counted([0, 0, 10, 10, 20, 20], m=list("ababab"))
    assert plan_grid(table, "m", "t", ["x"]).step_us == 10
    with pytest.raises(InputError, match="must differ"):
        plan_grid(table, None, "t", ["x"])


def test_a_long_jittered_series_keeps_one_row_a_step():
    n_rows = 50_000
    jitter = np.random.default_rng(3).integers(-MINUTE // 6, MINUTE // 6, n_rows)
    table = counted(pa.array(np.arange(n_rows) * MINUTE + jitter), np.arange(n_rows))
    series, report = regular_series(table, plan_grid(table, None, "t", ["x"]))
    np.testing.assert_array_equal(series[0].values[:, 0], np.arange(n_rows))
    assert (report.resampled, report.duplicates, report.gaps) == (0, 0, 0)


def test_columns_that_cannot_be_meant_are_refused():
    table = counted([0, 1, 2], word=["a", "b", "c"])
    for arguments in [(None, "t", ["word"]), (None, "word", ["x"]), (None, "t", ["y"]), ("y", "t", ["x"])]:
        with pytest.raises(InputError):
            plan_grid(table, *arguments)
    with pytest.raises(UsageError):
        plan_grid(table, None, "t", [])


def test_short_runs_are_interpolated_as_pandas_does_and_long_ones_stay():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(300, 2))
    values[rng.random(values.shape) < 0.5] = np.nan
    before = values.copy()
    filled, observed = fill_short(values, 2)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    for channel in range(2):
        column = pd.Series(values[:, channel])
        runs = column.isna().groupby(column.notna().cumsum()).transform("sum")
        expected = column.interpolate(limit_area="inside").where((runs <= 2) | column.notna())
        np.testing.assert_allclose(filled[:, channel], expected, rtol=1e-9, atol=1e-12)
