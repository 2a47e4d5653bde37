from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.cli.labelled_rows import LabelledRows, read_labelled
from anomaly_cl.errors import InputError


def _table(**columns):
    n = len(next(iter(columns.values())))
    labels = [1.0, *([0.0] * (n - 1))]
    return pa.table({"score": np.arange(n) / 1.0, "alert": np.zeros(n, bool), "y": labels, **columns})


def test_days_are_those_of_the_clock_as_written():
    late = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
    zoned = pa.array([late, None], pa.timestamp("us", "Europe/Berlin"))
    assert LabelledRows(_table(t=zoned), "y").times("t").astype(str).tolist() == ["2026-01-02T00:30:00.000000", "NaT"]
    text = LabelledRows(_table(t=["2026-01-01T23:30:00+05:00", "2026-01-02"]), "y").times("t")
    assert text.astype("datetime64[D]").astype(str).tolist() == ["2026-01-01", "2026-01-02"]


def test_numbers_of_entities_ascend_with_their_values():
    codes = LabelledRows(_table(c=pa.array(["b", None, "ä", "a", "b"]).dictionary_encode()), "y").codes("c")
    assert codes.numbers.tolist() == [1, -1, 2, 0, 1]
    assert codes.values == ["a", "b", "ä"]
    assert LabelledRows(_table(c=[10.0, 9.0, np.nan]), "y").codes("c").numbers.tolist() == [1, 0, -1]


def test_rows_without_a_label_are_left_out_and_counted():
    rows = LabelledRows(_table(c=["a", "b", "c", "d"]).set_column(2, "y", pa.array([1.0, None, np.nan, 0])), "y")
    assert rows.unknown == 2
    assert rows.scores.tolist() == [0, 3]
    assert rows.codes("c").values == ["a", "d"]


@pytest.mark.parametrize(("column", "read", "said"), [
    (["2026-01-01", "soon"], "times", "1 are not, such as 'soon'"),
    ([1.5, 2.5], "times", "double is no timestamp"),
    (["12.50", "much"], "amounts", "such as 'much'"),
])
def test_columns_of_another_kind_are_refused(column, read, said):
    with pytest.raises(InputError, match=said):
        getattr(LabelledRows(_table(c=column), "y"), read)("c")


@pytest.mark.parametrize("kind", [str, int])
def test_columns_found_by_key_stay_in_the_order_of_the_scored_file(tmp_path, kind):
    rng = np.random.default_rng(0)
    n = 5_000
    keys = pa.array([kind(key) for key in rng.permutation(n).tolist()])
    pq.write_table(pa.table({"id": keys, "score": rng.random(n), "alert": rng.random(n) < .1}), tmp_path / "s.parquet")
    known = pd.DataFrame({"id": np.arange(n), "y": np.arange(n) % 7 == 0, "what": np.arange(n) % 3})
    known.drop(index=[2, 3]).sample(frac=1, random_state=0).to_csv(tmp_path / "labels.csv", index=False)
    rows = read_labelled(tmp_path / "s.parquet", tmp_path / "labels.csv", "y", None, ["what"])
    whole = [int(key) for key in keys.to_pylist() if int(key) not in (2, 3)]
    assert rows.unknown == 2
    assert rows.labels.tolist() == [float(key % 7 == 0) for key in whole]
    assert rows.amounts("what").tolist() == [key % 3 for key in whole]
