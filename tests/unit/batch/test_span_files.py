"""Files of series: steps as rows, spans of any kind of time, and alerts that are spans."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from anomaly_cl import SeriesDetector, score_file
from anomaly_cl.alerts.models import Run
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.outputs import ABOUT_SERIES
from anomaly_cl.batch.rows import Records, with_kept
from anomaly_cl.batch.series import series_file_schema, step_rows_of
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Role
from tests.unit.detectors.made_up_readings import readings, untrained


@pytest.fixture(scope="module")
def detector():
    return untrained(readings())


def written(rows, folder, name="rows.parquet"):
    rows.to_parquet(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize("times", [
    {}, {"unit": "D"}, {"tz": "Europe/Berlin", "start": "2026-10-25 00:00"},
], ids=["minutes", "days", "a zone whose clock is put back"])
def test_spans_have_the_times_of_the_file_whatever_their_kind(tmp_path, times):
    rows = readings(**times)
    if times.get("unit") == "D":
        rows["at"] = rows["at"].dt.date
    detector = untrained(rows)
    file = written(rows, tmp_path)
    told = score_file(detector, file, tmp_path / "out.parquet", store=str(tmp_path / "alerts.sqlite"))
    spans, scored = pq.read_table(tmp_path / "out.spans.parquet"), pq.read_table(tmp_path / "out.parquet")
    assert spans.schema.field("start").type == scored.schema.field("at").type
    assert spans.num_rows == told["series"]["spans"] == told["stored"]["added"] > 0
    steps = set(zip(scored["who"].to_pylist(), scored["at"].to_pylist(), strict=True))
    for name in ("start", "end", "peak"):
        assert set(zip(spans["who"].to_pylist(), spans[name].to_pylist(), strict=True)) <= steps


def test_a_file_of_spans_says_what_places_them_in_time(tmp_path, detector):
    score_file(detector, written(readings(), tmp_path), tmp_path / "out.parquet")
    about = json.loads(pq.read_schema(tmp_path / "out.spans.parquet").metadata[ABOUT_SERIES])
    assert about == {"entity": "who", "time": "at", "step_us": 60_000_000, "longest_gap": 10, "window": 12}


def test_step_rows_have_the_numbers_of_the_input_and_what_is_kept(detector):
    rows = pa.Table.from_pandas(readings(), preserve_index=False)
    given = rows.append_column("note", pa.array([f"row {number}" for number in range(rows.num_rows)]))
    numbers = pa.array(range(10, 10 + rows.num_rows)).to_numpy()
    found = step_rows_of(detector, Records(given, numbers, None), 70)
    batches = list(found)
    assert max(batch.rows.num_rows for batch in batches) <= 70
    for batch in batches:
        assert batch.rows.column("note").to_pylist() == [f"row {number - 10}" for number in batch.row_numbers]
    assert found.grid_facts()["rows"] == rows.num_rows
    json.dumps(found.grid_facts())


def test_rows_without_time_or_entity_are_rejected_by_the_schema_of_files(detector):
    schema = series_file_schema(detector.series_schema_)
    assert {column.name for column in schema.columns if column.missing == "reject"} == {"at", "who"}
    assert schema.only(Role.TIME) == "at"


def test_a_kept_column_named_like_one_that_is_made_is_refused():
    table = pa.table({"x": [1], "y": [2]})
    with pytest.raises(UsageError, match="rename"):
        with_kept(table, ["x"], table)


def test_an_entity_named_like_a_column_of_spans_is_refused_before_any_file_is_written(tmp_path):
    rows = readings().rename(columns={"who": "peak"})
    detector = SeriesDetector("peak", "at", ["heat", "flow"], period=12, members=0).fit(rows)
    file = written(rows, tmp_path)
    with pytest.raises(UsageError, match="rename them"):
        score_file(detector, file, tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == [file]


def test_a_span_is_counted_once_on_its_peaks_day(tmp_path, detector):
    score_file(detector, written(readings(), tmp_path), tmp_path / "out.parquet", store=str(tmp_path / "a.sqlite"))
    spans = pd.read_parquet(tmp_path / "out.spans.parquet")
    with open_store(tmp_path / "a.sqlite") as store, Session(store.engine) as session:
        run = session.query(Run).one()
        assert run.alerts_raised == len(spans)
        assert sum(alerts for _, _, alerts in run.summary["days"]) == len(spans)
        assert run.summary["alerts_at"] == []
