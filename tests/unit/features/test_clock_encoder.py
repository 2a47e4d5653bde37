from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.features.clock import ClockEncoder

US = pa.timestamp("us")
START = datetime(2024, 1, 1)  # a Monday


def fitted(moments):
    return ClockEncoder().fit(pa.array(moments, US))


def encode(encoder, moments):
    return encoder.transform(pa.array(moments, US))


def uniform_weeks(n, weeks=4):
    seconds = np.random.default_rng(0).integers(0, weeks * 7 * 86_400, n)
    return [START + timedelta(seconds=int(s)) for s in seconds]


@settings(deadline=None)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_the_circles_equal_those_of_the_calendar(moment):
    outputs = encode(fitted([START, START + timedelta(days=30)]), [moment]).spaces["rank"][0]
    day = (moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)
    turns = 2 * np.pi * np.array([day, moment.weekday() / 7])
    np.testing.assert_allclose(outputs[:4], np.stack([np.cos(turns), np.sin(turns)], 1).ravel(), atol=1e-6)


def test_midnight_and_new_year_are_no_jump_and_years_do_not_count():
    encoder = fitted(uniform_weeks(5_000))
    new_year = datetime(2025, 1, 1)
    before, after = encode(encoder, [new_year - timedelta(seconds=1), new_year]).spaces["robust"]
    assert np.abs(before - after)[:2].max() < 1e-3
    now, in_28_years = encode(encoder, [datetime(2024, 3, 5, 10), datetime(2052, 3, 5, 10)]).spaces["robust"]
    np.testing.assert_array_equal(now, in_28_years)


def test_uniform_times_have_variance_one_for_the_hour_and_one_for_the_weekday():
    moments = uniform_weeks(20_000)
    outputs = encode(fitted(moments), moments).spaces["standard"]
    variances = outputs.var(axis=0)
    assert variances[:2].sum() == pytest.approx(1, abs=0.02)
    assert variances[2:4].sum() == pytest.approx(1, abs=0.02)


def test_weekdays_are_not_learned_from_less_than_a_week():
    moments = [START + timedelta(hours=h) for h in range(72)]
    outputs = encode(fitted(moments), [START + timedelta(days=4)]).spaces["standard"]
    assert (outputs[0, 2:4] == 0).all()


def test_an_unusual_hour_of_the_week_is_more_surprising():
    office = [m for m in uniform_weeks(30_000) if 8 <= m.hour < 18 and m.weekday() < 5]
    encoder = fitted(office)
    moments = [datetime(2024, 5, 7, 11), datetime(2024, 5, 7, 3), datetime(2024, 5, 5, 11)]
    usual, night, sunday = encode(encoder, moments).tail
    assert usual < 5 < night
    assert sunday > usual + 2
    assert encoder.typical_.endswith(":00 on weekdays")


def test_surprise_equals_the_smoothed_histogram():
    moments = uniform_weeks(6_000)
    encoder, bins = fitted(moments), np.zeros(168)
    for moment in moments:
        bins[moment.weekday() * 24 + moment.hour] += 1
    moment = datetime(2024, 6, 2, 23, 30)  # the last hour of the week: its neighbour is the first
    share = (bins[166] / 4 + bins[167] / 2 + bins[0] / 4 + 1) / (6_000 + 169)
    assert encode(encoder, [moment]).tail[0] == pytest.approx(-np.log(share))


def test_few_rows_tell_hours_of_the_day_only():
    encoder = fitted([START + timedelta(days=d, hours=9) for d in range(60)])
    monday, sunday = encode(encoder, [datetime(2024, 5, 6, 9), datetime(2024, 5, 5, 9)]).tail
    assert monday == sunday


def test_missing_is_flagged_and_as_surprising_as_it_was_rare():
    encoder = fitted([*uniform_weeks(500), None])
    block = encode(encoder, [None, START])
    assert (block.spaces["rank"][0, :4] == 0).all()
    assert block.spaces["rank"][0, 4] > 2 > 0 == block.spaces["rank"][1, 4]
    assert block.tail[0] == pytest.approx(-np.log(2 / (501 + 169)))


def test_only_missing_values_and_extreme_times_stay_finite():
    extremes = pa.array([-(2**63), 2**63 - 1, 0, None], pa.int64()).cast(US)
    for encoder in (ClockEncoder().fit(extremes), fitted([None])):
        block = encoder.transform(extremes)
        assert np.isfinite(block.spaces["standard"]).all()
        assert np.isfinite(block.tail).all()
    assert fitted([None]).typical_ is None


def test_times_with_a_zone_are_read_in_that_zone_and_dates_as_midnight():
    noon_in_berlin = pa.array([datetime(2024, 7, 1, 10, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin"))
    encoder = fitted(uniform_weeks(100))
    np.testing.assert_array_equal(
        encoder.transform(noon_in_berlin).spaces["rank"], encode(encoder, [datetime(2024, 7, 1, 12)]).spaces["rank"]
    )
    np.testing.assert_array_equal(
        encoder.transform(pa.array([date(2024, 7, 1)])).spaces["rank"],
        encode(encoder, [datetime(2024, 7, 1)]).spaces["rank"],
    )
