from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.records import LARGEST_AMOUNT, prepare_records
from anomaly_cl.schema import Column, Kind, Role, Schema
from tests.unit.features.slow_history import histories

CARD = Column("card", Kind.CATEGORICAL, "string", Role.ENTITY)
TIME = Column("when", Kind.DATETIME, "timestamp[us]", Role.TIME)
KEY = Column("id", Kind.CATEGORICAL, "string", Role.KEY)
AMOUNT = Column("amount", Kind.NUMERIC, "double")
SCHEMA = Schema((CARD, TIME, KEY, AMOUNT))
PLAN = HistoryPlan(("card",), ("amount",), rows=2, days=(1,))


def rows(**columns: pa.Array | list) -> pa.Table:
    n_rows = len(next(iter(columns.values())))
    return pa.table({"card": ["x"] * n_rows, "when": [datetime(2026, 1, 1, 6, 30)] * n_rows, "id": ["k"] * n_rows,
                     "amount": [1.0] * n_rows} | columns)


def test_records_have_the_columns_of_the_plan():
    made = prepare_records(rows(amount=[1, 2]), SCHEMA, PLAN, first_row=5)
    assert made.schema == PLAN.record_schema(pa.string())
    assert made.to_pylist()[1] == {"row": 6, "key": "k", "micros": 1_767_249_000_000_000, "hour": 6.5, "e0": "x",
                                   "a0": 2.0}


def test_a_batch_makes_the_same_records_as_a_table():
    table = rows(amount=[1.0, 2.0], card=pa.array(["x", None]).dictionary_encode())
    batch = table.to_batches()[0]
    assert prepare_records(batch, SCHEMA, PLAN).equals(prepare_records(table, SCHEMA, PLAN))


def test_no_rows_make_an_empty_table():
    empty = rows(amount=[1.0]).slice(0, 0)
    assert prepare_records(empty, SCHEMA, PLAN).equals(PLAN.record_schema(pa.string()).empty_table())


@pytest.mark.parametrize(("keys", "kind"), [
    (pa.array([1, 2], pa.int32()), pa.int64()), (pa.array([2**64 - 1, 2], pa.uint64()), pa.string()),
    (pa.array(["b", None]), pa.string()),
])
def test_integer_keys_are_ordered_as_numbers_and_others_as_text(keys, kind):
    made = prepare_records(rows(id=keys), SCHEMA, PLAN)["key"]
    assert made.type == kind
    assert made.to_pylist() == keys.cast(kind).to_pylist()


def test_without_a_key_the_row_number_breaks_ties():
    schema = Schema((CARD, TIME, AMOUNT))
    assert prepare_records(rows(amount=[1.0, 2.0]), schema, PLAN, first_row=3)["key"].to_pylist() == [3, 4]


def test_amounts_without_a_number_are_null_and_beyond_the_largest_are_cut():
    made = prepare_records(rows(amount=[float("nan"), None, float("-inf"), 1e300]), SCHEMA, PLAN)
    assert made["a0"].to_pylist() == [None, None, -LARGEST_AMOUNT, LARGEST_AMOUNT]
    assert histories(PLAN, made).num_rows == 4


def test_sums_of_many_of_the_largest_amounts_do_not_overflow():
    made = prepare_records(rows(amount=[-1e300, *[1e300] * 2_000], id=list(range(2_001))), SCHEMA, PLAN)
    assert histories(PLAN, made)["e0_a0_sum_past"].to_pylist()[-1] == 1_998 * LARGEST_AMOUNT


def test_a_missing_time_is_refused_by_its_row():
    with pytest.raises(InputError, match="the first is row 8") as refusal:
        prepare_records(rows(when=[datetime(2026, 1, 1), None]), SCHEMA, PLAN, first_row=7)
    assert "'when'" in refusal.value.rule
    assert "missing: reject" in refusal.value.remedy


def test_a_schema_without_a_time_is_refused():
    with pytest.raises(InputError, match="role time"):
        prepare_records(rows(amount=[1.0]), Schema((CARD, AMOUNT)), PLAN)


def test_instants_are_of_utc_and_hours_of_the_wall_clock_when_clocks_are_put_back():
    """On 2026-10-25 in Berlin, 02:30 comes twice, an hour apart."""
    instants = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    zoned = pa.array(instants, pa.timestamp("us", "Europe/Berlin"))
    made = prepare_records(rows(when=zoned, id=["b", "a"]), SCHEMA, PLAN)
    assert made["hour"].to_pylist() == [2.5, 2.5]
    assert histories(PLAN, made)["e0_since_past"].to_pylist() == [None, 3_600.0]


def test_a_day_of_23_hours_is_not_a_window_of_a_day():
    zone = ZoneInfo("Europe/Berlin")
    local = [datetime(2026, 3, 28, 12, tzinfo=zone), datetime(2026, 3, 29, 12, 30, tzinfo=zone)]
    made = prepare_records(rows(when=pa.array(local, pa.timestamp("ms", "Europe/Berlin"))), SCHEMA, PLAN)
    assert histories(PLAN, made)["e0_count_d1"].to_pylist() == [0, 1]
    naive = pa.array([moment.replace(tzinfo=None) for moment in local])
    assert histories(PLAN, prepare_records(rows(when=naive), SCHEMA, PLAN))["e0_count_d1"].to_pylist() == [0, 0]
