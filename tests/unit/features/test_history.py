from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import UsageError
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.schema import Column, Kind, Role, Schema
from tests.unit.features.slow_history import DAY, PLAN, histories, made_up_records, slow_histories

SMALL = HistoryPlan(("card",), ("amount",), ("channel",), rows=3, days=(1,))


def records(plan: HistoryPlan = SMALL, **columns: list) -> pa.Table:
    """Records of one card at hours 0, 1, 2 ... of one day, unless said otherwise."""
    n_rows = len(next(iter(columns.values())))
    made = {"row": range(n_rows), "key": range(n_rows), "micros": [hour * DAY // 24 for hour in range(n_rows)],
            "hour": [12.0] * n_rows, "e0": ["card"] * n_rows, "e1": ["shop"] * n_rows, "a0": [1.0] * n_rows,
            "a1": [1.0] * n_rows, "c0": ["online"] * n_rows} | columns
    schema = plan.record_schema()
    return pa.table({name: pa.array(list(made[name]), schema.field(name).type) for name in schema.names})


@pytest.mark.parametrize("seed", range(3))
def test_every_output_equals_the_double_loop(seed):
    table = made_up_records(PLAN, 150, seed)
    found, truth = histories(PLAN, table), slow_histories(PLAN, table)
    assert found.schema == PLAN.schema
    assert found["row"].to_pylist() == list(range(150))
    for column in PLAN.columns:
        values, true = (np.array(frame[column.sql_name], float) for frame in (found.to_pandas(), truth))
        if column.type == pa.int64():
            np.testing.assert_array_equal(values, true, err_msg=column.name)
        else:
            np.testing.assert_allclose(values, true, rtol=1e-9, atol=1e-9, err_msg=column.name)


def test_counts_of_a_missing_pair_are_null_and_all_others_are_not():
    found = histories(PLAN, made_up_records(PLAN, 100, 0))
    for column in PLAN.columns:
        assert (found[column.sql_name].null_count > 0) == (column.statistic not in ("count", "n", "sum") or
                                                           column.other is not None), column.name


def test_records_without_the_entity_are_nobodys_past():
    found = histories(SMALL, records(e0=[None, None, None], a0=[5.0, 6.0, 7.0])).to_pandas()
    assert (found["e0_count_past"] == 0).all()
    assert (found["e0_count_d1"] == 0).all()
    assert (found["e0_a0_sum_past"] == 0).all()
    assert found[["e0_since_past", "e0_a0_mean_past", "e0_a0_max_rows", "e0_c0_count_past"]].isna().all(axis=None)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.9), remake=st.booleans())
def test_the_future_changes_no_bit_of_a_history(seed, share, remake):
    table = made_up_records(SMALL, 60, seed)
    instant = int(np.quantile(table["micros"].to_numpy(), share))
    future = table["micros"].to_numpy() > instant
    whole = histories(SMALL, table)
    later = made_up_records(SMALL, 400, seed + 1).to_pandas()
    later = later.assign(row=later["row"] + 60, micros=later["micros"] + instant + 1)
    kept = table.filter(pa.array(~future))
    altered = pa.concat_tables([kept, pa.Table.from_pandas(later, SMALL.record_schema())]) if remake else kept
    now = pc.is_in(whole["row"], kept["row"])
    assert histories(SMALL, altered).slice(0, kept.num_rows).equals(whole.filter(now))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_other_entities_change_no_bit(threads):
    table = made_up_records(PLAN, 3_000, 5)
    whole = histories(PLAN, table)
    assert histories(PLAN, table, engine=DuckDBEngine(threads=threads)).equals(whole)
    only_a = table.filter(pc.equal(table["e0"], "a"))
    of_a = histories(PLAN, only_a)
    names = ["row", *(column.sql_name for column in PLAN.columns if column.entity == "card")]
    assert of_a.select(names).equals(whole.filter(pc.is_in(whole["row"], only_a["row"])).select(names))


def test_new_records_given_the_old_are_as_in_the_whole():
    table = made_up_records(PLAN, 500, 6)
    new = histories(PLAN, table, first_row=350)
    assert new["row"].to_pylist() == list(range(350, 500))
    assert new.equals(histories(PLAN, table).slice(350))


def test_ties_are_ordered_by_key_and_no_window_of_days_holds_them():
    found = histories(SMALL, records(micros=[7] * 4, key=[9, None, 2, 2])).to_pandas()
    assert found["e0_count_past"].tolist() == [3, 0, 1, 2]
    assert found["e0_since_past"].tolist()[0] == 0
    assert found["e0_count_d1"].tolist() == [0, 0, 0, 0]


def test_a_window_of_a_day_begins_just_a_day_before():
    found = histories(SMALL, records(micros=[0, 1, DAY, DAY + 1])).to_pandas()
    assert found["e0_count_d1"].tolist() == [0, 1, 2, 2]


def test_the_spread_of_large_amounts_that_differ_little_is_exact():
    amounts = [1e9 + 1, 1e9 + 2, 1e9 + 4, 1e9 + 1]
    found = histories(SMALL, records(a0=[*amounts, None])).to_pandas()
    np.testing.assert_allclose(found["e0_a0_spread_past"].iloc[1:],
                               [np.std(np.array(amounts[:n]) - 1e9) for n in range(1, 5)], rtol=1e-14)


def test_an_unlike_first_amount_leaves_the_spread_of_the_last_ones_exact():
    amounts = np.array([1e7, 10.25, 10.5, 11.0, 10.0])
    found = histories(SMALL, records(a0=[*amounts, 0.0])).to_pandas()
    assert found["e0_a0_spread_rows"].iloc[-1] == pytest.approx(amounts[-3:].std(), rel=1e-12)


def test_equal_amounts_have_no_spread_wherever_they_lie():
    found = histories(SMALL, records(a0=[1e7, *[512.3] * 9])).to_pandas()
    assert (found["e0_a0_spread_rows"].iloc[4:] == 0).all()


@pytest.mark.parametrize("unit", [1e-9, 1e12])
def test_tiny_and_huge_amounts_keep_their_statistics(unit):
    amounts = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6]) * unit
    last = histories(SMALL, records(a0=[*amounts, 0.0])).to_pandas().iloc[-1]
    assert last["e0_a0_sum_past"] == pytest.approx(amounts.sum(), rel=1e-5)
    assert last["e0_a0_spread_past"] == pytest.approx(amounts.std(), rel=1e-5)


HOSTILE = ('card"; DROP TABLE records; --', "e0", "a0", "row", "c0 \U0001f4a5 '`", "micros")


def test_names_of_columns_never_reach_the_query():
    card, shop, amount, fee, channel, key = HOSTILE
    plan = HistoryPlan((card, shop), (amount, fee), (channel, key), rows=4, days=(1, 7))
    plain = HistoryPlan(("card", "shop"), ("amount", "fee"), ("channel", "key"), rows=4, days=(1, 7))
    assert plan.sql("records") == plain.sql("records")
    table = made_up_records(plan, 50, 0)
    assert histories(plan, table).equals(histories(plain, table))
    assert plan.column(card, "mean", "4 rows", amount=fee).sql_name == "e0_a1_mean_rows"
    assert plan.record_names[shop] == "e1"


def test_the_plan_of_a_schema_takes_entities_numbers_and_categories():
    numeric, categorical = Kind.NUMERIC, Kind.CATEGORICAL
    schema = Schema((
        Column("id", numeric, "int64", Role.KEY), Column("card", categorical, "string", Role.ENTITY),
        Column("amount", numeric, "double"), Column("fraud", numeric, "int64", Role.LABEL),
        Column("channel", categorical, "string"), Column("country", categorical, "string", Role.SEGMENT),
        Column("text", Kind.TEXT, "string"), Column("shop", numeric, "int64", Role.ENTITY),
    ))
    assert HistoryPlan.from_schema(schema) == HistoryPlan(("card", "shop"), ("amount",), ("channel", "country"))


def test_columns_are_named_for_readers_and_found_by_what_they_say():
    names = [column.name for column in PLAN.columns]
    assert len(set(names)) == len(names)
    assert {"card.count", "card.count.7 days", "card.amount.median.4 rows", "card|shop.count"} <= set(names)
    assert PLAN.column("shop", "count", other="channel").name == "shop|channel.count"
    with pytest.raises(UsageError, match="history column"):
        PLAN.column("card", "median")


@pytest.mark.parametrize("wrong", [
    {"entities": ()}, {"amounts": ("card",)}, {"rows": 0}, {"days": (1, 1)}, {"days": (0,)},
])
def test_plans_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError):
        HistoryPlan(**{"entities": ("card",)} | wrong)


def test_the_query_takes_only_a_plain_table_name():
    with pytest.raises(UsageError, match="table's name"):
        SMALL.sql("records; DROP")


def test_a_plan_without_amounts_and_windows_still_counts():
    plan = HistoryPlan(("card",), days=())
    found = histories(plan, records(plan, e0=["x", "y", "x"])).to_pandas()
    pd.testing.assert_series_equal(found["e0_count_past"], pd.Series([0, 0, 1], name="e0_count_past"))
