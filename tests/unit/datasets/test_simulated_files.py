from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from anomaly_cl.datasets.simulate import sensors_table, transactions_table, write_simulated
from anomaly_cl.errors import UsageError

DATA = Path(__file__).parents[3] / "data"


def test_the_sample_is_what_its_readme_says(tmp_path):
    write_simulated("transactions", tmp_path / "sample.csv", rows=2000, seed=1)
    kept = DATA / "sample_transactions.csv"
    assert (tmp_path / "sample.csv").read_bytes() == kept.read_bytes()
    assert kept.stat().st_size < 300_000
    assert "anomaly-cl simulate transactions --out data/sample_transactions.csv --rows 2000 --seed 1" in (
        DATA / "README.md").read_text()


@pytest.mark.parametrize(("subject", "make"), [("transactions", transactions_table), ("sensors", sensors_table)])
def test_files_hold_the_rows_of_the_table(subject, make, tmp_path):
    table = make(3000, 4)
    told = []
    write_simulated(subject, tmp_path / "rows.parquet", 3000, 4, told.append)
    write_simulated(subject, tmp_path / "rows.csv", 3000, 4)
    assert pq.read_table(tmp_path / "rows.parquet").cast(table.schema).equals(table)
    as_in_table = pa_csv.ConvertOptions(column_types=table.schema, strings_can_be_null=True)
    assert pa_csv.read_csv(tmp_path / "rows.csv", convert_options=as_in_table).equals(table)
    assert told == [3000]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.parquet"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_failure_leaves_no_half_file(name, tmp_path):
    def stop(rows: int) -> None:
        raise pa.ArrowCancelled("stopped")

    with pytest.raises(pa.ArrowCancelled):
        write_simulated("sensors", tmp_path / name, 10, 0, stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("subject", "file", "rule"),
    [("weather", "a.csv", "what is simulated"), ("sensors", "a.xlsx", ".csv or .parquet"),
     ("sensors", "none/a.csv", "folder"), ("sensors", "none/a.parquet", "folder")],
)
def test_what_cannot_be_written_is_refused(subject, file, rule, tmp_path):
    with pytest.raises(UsageError, match=rule):
        write_simulated(subject, tmp_path / file, 10, 0)
