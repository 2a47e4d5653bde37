import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.features.window_sums import window_sums_sql

DAY = 86_400_000_000
RECORD = st.tuples(st.integers(0, 60).map(lambda sixth: sixth * DAY // 6), st.sampled_from([None, "a", "b"]),
                   st.sampled_from([None, "s", "t"]), st.integers(0, 10**10), st.integers(0, 1))


def some(records):
    micros, first, second, evidence, strange = zip(*records, strict=True)
    return pa.table({"row": pa.array(range(len(records)), pa.int64()), "micros": pa.array(micros, pa.int64()),
                     "e0": pa.array(first, pa.string()), "e1": pa.array(second, pa.string()),
                     "evidence": pa.array(evidence, pa.int64()), "strange": pa.array(strange, pa.int64())})


def double_loop(records, days, first_row):
    rows = []
    for row in range(first_row, len(records)):
        now, found = records[row][0], {"row": row}
        for entity, column in (("e0", 1), ("e1", 2)):
            own = [other for other in records if other[column] is not None and other[column] == records[row][column]
                   and now - days * DAY <= other[0] < now]
            found |= {f"{entity}_evidence": sum(other[3] for other in own),
                      f"{entity}_strange": sum(other[4] for other in own)}
        rows.append(found)
    return rows


def summed(records, days, first_row=0, engine=None):
    sql = window_sums_sql("records", ["e0", "e1"], ["evidence", "strange"], days, first_row)
    return (engine or DuckDBEngine(threads=1)).run(sql, {"records": some(records)}).read_all()


@given(st.lists(RECORD, min_size=1, max_size=30), st.integers(1, 8), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_sums_equal_the_double_loop(records, days, first_row):
    found = summed(records, days, first_row)
    assert found.to_pylist() == double_loop(records, days, first_row)
    assert set(found.schema.types) == {pa.int64()}


def test_a_record_is_told_of_none_of_its_instant_and_of_those_at_the_windows_start():
    records = [(0, "a", None, 1, 0), (DAY, "a", None, 10, 0), (DAY, "a", None, 100, 0), (DAY + 1, "a", None, 1_000, 0)]
    assert summed(records, 1)["e0_evidence"].to_pylist() == [0, 1, 1, 110]


def test_large_sums_are_exact():
    records = [(i, "a", "s", 10**10 - i % 7, 1) for i in range(20_000)]
    found = summed(records, 1)
    expected = np.cumsum([0, *(record[3] for record in records[:-1])])
    assert found["e0_evidence"].to_pylist() == expected.tolist()
