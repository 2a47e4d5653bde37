import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.dates import parse_instants
from anomaly_cl.table.read import read_table
from anomaly_cl.table.zones import zone_of

BERLIN = "Europe/Berlin"
HOURS = pd.date_range("2026-10-24 12:00", periods=30, freq="1h", tz=BERLIN)  # a clock shows 2:30 twice


def in_utc(times):
    """Datetimes of one zone compare by their clocks, which show some times twice."""
    return times.cast(pa.timestamp("us", "UTC")).to_pylist()


def schema(zone):
    return Schema((Column("day", Kind.DATETIME, str(pa.timestamp("us", zone)), Role.TIME),))


@pytest.mark.parametrize(("texts", "expected"), [
    (["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"], ["2026-03-29 00:30", "2026-03-29 01:30"]),
    (["2026-03-29 01:30Z", "2026-03-29 01:30:00.25 UTC", "29 Mar 2026 1:30 PM -0330"],
     ["2026-03-29 01:30", "2026-03-29 01:30:00.25", "2026-03-29 17:00"]),
    (["2026-03-29", "2026-03-29 12:00", None], ["2026-03-28 23:00", "2026-03-29 10:00", None]),
    (["2026-03-29T02:30:00", "2026-10-25T02:30:00"], ["2026-03-29 01:00", "2026-10-25 00:30"]),  # never, and twice
])
def test_texts_are_instants_by_their_offset_or_the_clock_of_the_zone(texts, expected):
    values, bad = parse_instants(pa.array(texts), None, BERLIN)
    assert values.type == pa.timestamp("us", BERLIN)
    assert not bad.any()
    assert in_utc(values) == [None if each is None else pd.Timestamp(each, tz="UTC") for each in expected]


def test_what_is_no_time_is_bad():
    values, bad = parse_instants(pa.array(["2026-02-31T00:00:00Z", "soon"]), None, BERLIN)
    assert bad.all()
    assert values.null_count == 2


@pytest.mark.parametrize("written", [
    HOURS.tz_convert("UTC"), HOURS, HOURS.map(pd.Timestamp.isoformat), HOURS.tz_convert("America/New_York"),
    pd.Series(HOURS).dt.as_unit("ns").array, pd.Categorical(HOURS.map(pd.Timestamp.isoformat)),
])
def test_a_time_in_a_zone_is_read_as_the_same_instants_however_it_is_written(written):
    read = read_table(pd.DataFrame({"day": written}), schema(BERLIN)).column("day")
    assert read.type == pa.timestamp("us", BERLIN)
    assert in_utc(read) == HOURS.tz_convert("UTC").tolist()


def test_other_tables_read_the_clock_on_the_wall():
    read = read_table(pd.DataFrame({"day": HOURS}), schema(None)).column("day")
    assert read.to_pylist() == HOURS.tz_localize(None).tolist()


@pytest.mark.parametrize(("times", "zone"), [
    (HOURS, BERLIN), (HOURS.tz_localize(None), None), (HOURS.map(pd.Timestamp.isoformat), "UTC"),
    (pd.Categorical(HOURS.map(pd.Timestamp.isoformat)), "UTC"), (HOURS.tz_localize(None).map(str), None),
    (HOURS.strftime("%Y-%m-%d"), None), (HOURS.date, None), (range(30), None),
])
def test_the_zone_is_that_of_the_type_or_of_offsets(times, zone, tmp_path):
    frame = pd.DataFrame({"day": times, "x": 1.0})
    frame.to_parquet(tmp_path / "a.parquet")
    for source in (frame, pa.Table.from_pandas(frame), tmp_path / "a.parquet"):
        assert zone_of(source, "day") == zone
    if isinstance(times, pd.Index) and not isinstance(times, pd.DatetimeIndex):
        frame.to_csv(tmp_path / "a.csv", index=False)
        assert zone_of(tmp_path / "a.csv", "day") == zone


def test_a_column_that_is_not_there_has_no_zone_and_a_reader_is_left_unread():
    table = pa.table({"day": HOURS.map(pd.Timestamp.isoformat)})
    assert zone_of(table, "other") is None
    reader = table.to_reader()
    assert zone_of(reader, "day") is None
    assert reader.read_all().num_rows == len(HOURS)


def test_a_condition_compares_the_clock_of_the_zone(tmp_path):
    pq.write_table(pa.table({"day": pa.array(HOURS)}), tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet", schema(BERLIN), where="day >= '2026-10-25 02:30'").column("day")
    clocks = HOURS.tz_localize(None)
    assert in_utc(read) == HOURS[clocks >= "2026-10-25 02:30"].tz_convert("UTC").tolist()
