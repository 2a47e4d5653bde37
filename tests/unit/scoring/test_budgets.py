from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.budgets import Budget
from anomaly_cl.scoring.policy import Known, ScoredRows
from tests.unit.scoring.made_up_scores import made_up


def _one_by_one(scores, names, count):
    """The highest of each group, sorted by hand."""
    groups = defaultdict(list)
    for row, name in enumerate(names):
        groups[name].append(row)
    chosen = [row for rows in groups.values() for row in sorted(rows, key=lambda row: (-scores[row], row))[:count]]
    return sorted(chosen)


@given(st.integers(1, 12), st.lists(st.integers(0, 4), max_size=12))
def test_a_budget_alerts_exactly_the_highest_scores_and_ties_in_row_order(count, scores):
    mask = Budget(count).alerts(ScoredRows(np.ones(len(scores)), np.array(scores, dtype=float)))
    assert np.flatnonzero(mask).tolist() == _one_by_one(scores, [0] * len(scores), count)
    assert mask.dtype == bool


@pytest.mark.parametrize(("each", "name"), [
    ("hour", lambda time: f"{time:%Y-%m-%d %H}"), ("day", lambda time: f"{time:%Y-%m-%d}"),
    ("week", lambda time: time.isocalendar()[:2]),
])
@pytest.mark.parametrize("count", [1, 4])
def test_a_budget_for_a_period_is_that_of_the_calendar_and_rows_without_a_time_are_a_group(each, name, count):
    rows = made_up(2_000)
    shifted = rows.times - np.timedelta64(60 * 366, "D")  # before 1970 too
    for times in (rows.times, shifted):
        names = [None if time is None else name(time) for time in times.tolist()]
        mask = Budget(count, each).alerts(ScoredRows(rows.p_values, rows.scores, times=times))
        assert np.flatnonzero(mask).tolist() == _one_by_one(rows.scores, names, count)
        assert mask[np.isnat(times)].sum() == count


def test_a_budget_for_a_segment_counts_rows_without_one_as_a_group():
    rows = made_up()
    mask = Budget(7, "segment").alerts(rows)
    assert np.flatnonzero(mask).tolist() == _one_by_one(rows.scores, rows.segments.tolist(), 7)
    assert mask.sum() == 21
    assert Budget(7, "segment").cut(rows) == {"groups": 3}


def test_a_budget_needs_the_column_that_it_counts_by():
    Budget(5).check(Known(1))
    Budget(5, "day").check(Known(1, times=True))
    for each, role, there in (("day", "time", {"segments": True}), ("segment", "segment", {"times": True})):
        with pytest.raises(UsageError, match=f"role {role}"):
            Budget(5, each).check(Known(1, **there))
        with pytest.raises(InputError):
            Budget(5, each).alerts(ScoredRows([0.5], [1.0]))


def test_a_budget_is_a_whole_number():
    with pytest.raises(UsageError):
        Budget(1.5)
