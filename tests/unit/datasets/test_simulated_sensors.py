import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.datasets.simulate import SENSOR_ANOMALIES, sensors_table, simulate_sensors
from anomaly_cl.errors import UsageError

DAY = 288  # steps of five minutes


def channels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in frame.columns if name not in (
        "measured_at", "machine", "is_anomaly", "anomaly_kind", "anomaly_channel")]]


@pytest.fixture(scope="module")
def faulty() -> pd.DataFrame:
    return sensors_table(80_000, 0).to_pandas()


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    return sensors_table(80_000, 0, anomaly_share=0).to_pandas()


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 4000), machines=st.integers(1, 9), count=st.integers(1, 18), share=st.floats(0, .1))
def test_rows_are_as_many_as_asked_and_ordered_by_time_then_machine(rows, machines, count, share):
    frame = sensors_table(rows, 5, machines=machines, channels=count, anomaly_share=share).to_pandas()
    order = frame[["measured_at", "machine"]]
    assert len(frame) == rows
    assert channels(frame).shape[1] == count
    assert order.equals(order.sort_values(["measured_at", "machine"], kind="stable"))
    assert not order.duplicated().any()
    assert np.isfinite(channels(frame)).all().all()


@pytest.mark.parametrize("batch_rows", [1, 333, 2000])
def test_batch_size_changes_only_the_cuts(batch_rows):
    batches = list(simulate_sensors(2000, 3, batch_rows=batch_rows))
    assert pa.Table.from_batches(batches).equals(sensors_table(2000, 3))


def test_a_longer_run_begins_with_the_shorter_one():
    """Blocks are made one after the other, with nothing lost or repeated where they meet."""
    long, short = (sensors_table(rows, 2, channels=3, anomaly_share=0) for rows in (1_200_000, 900_000))
    assert long.slice(0, 900_000).equals(short)
    steps = np.abs(np.diff(long["motor_current_a"].to_numpy()[::4]))
    assert steps.max() < 12 * np.median(steps)


def test_readings_differ_from_the_clean_twin_exactly_where_labelled(faulty, clean):
    differs = channels(faulty) != channels(clean)
    labelled = faulty["is_anomaly"] == 1
    assert not differs[~labelled].any().any()
    assert differs[labelled].any(axis=1).mean() > .98  # a frozen reading may agree by chance
    assert differs[labelled].sum(axis=1).max() == 1
    named = differs[labelled].any(axis=1) & labelled[labelled]
    assert (differs[labelled][named].idxmax(axis=1) == faulty[labelled]["anomaly_channel"][named]).all()
    assert not clean["is_anomaly"].any()


def test_labels_kinds_and_share_agree(faulty):
    labelled = faulty["is_anomaly"] == 1
    assert (faulty["anomaly_kind"].notna() == labelled).all()
    assert (faulty["anomaly_channel"].notna() == labelled).all()
    assert set(faulty["anomaly_kind"].dropna()) == set(SENSOR_ANOMALIES)
    assert .015 < labelled.mean() < .025


def test_a_frozen_sensor_repeats_its_last_reading(faulty):
    for _, rows in faulty.groupby("machine"):
        frozen = rows["anomaly_kind"] == "frozen"
        for name in rows.loc[frozen, "anomaly_channel"].unique():
            here = frozen & (rows["anomaly_channel"] == name)
            assert (rows[name][here] == rows[name].shift(1)[here]).all()


def test_readings_follow_the_day(clean):
    for _, rows in clean.groupby("machine"):
        current = rows["motor_current_a"].to_numpy()
        weekday = (rows["measured_at"].dt.day_of_week < 5).to_numpy()
        by_hour = pd.Series(current[weekday]).groupby(rows["measured_at"].dt.hour.to_numpy()[weekday]).mean()
        assert by_hour.var() > .3 * current[weekday].var()
        assert np.corrcoef(current[:-7 * DAY], current[7 * DAY:])[0, 1] > .4  # and the week


def test_autocorrelation_is_what_was_asked():
    def beside_the_routine(memory: float) -> float:
        frame = sensors_table(60_000, 1, machines=1, anomaly_share=0, autocorrelation=memory).to_pandas()
        values = channels(frame).to_numpy()
        weeks = values[:len(values) // (7 * DAY) * 7 * DAY].reshape(-1, 7 * DAY, values.shape[1])
        rest = weeks - weeks.mean(axis=0)
        step = np.diff(rest, axis=1)
        return float((step**2).mean() / (rest**2).mean())

    assert beside_the_routine(.95) < beside_the_routine(.5) < beside_the_routine(0)


def test_channels_are_coupled_by_the_load(clean):
    one = clean[clean["machine"] == "machine-01"]
    assert one["motor_current_a"].corr(one["bearing_temperature_c"]) > .4
    assert one["motor_current_a"].corr(one["oil_pressure_bar"]) < -.3


@pytest.mark.parametrize(
    ("changed", "name"),
    [({"rows": 0}, "rows"), ({"machines": 0}, "machines"), ({"channels": 0}, "channels"), ({"seed": -1}, "seed"),
     ({"anomaly_share": .5}, "anomaly_share"), ({"autocorrelation": 1}, "autocorrelation"),
     ({"step_seconds": 0}, "step_seconds"), ({"start": "x"}, "start")],
)
def test_arguments_that_cannot_be_meant_are_refused_at_once(changed, name):
    with pytest.raises(UsageError, match=name):
        simulate_sensors(**{"rows": 10, "seed": 0} | changed)
