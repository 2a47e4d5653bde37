import numpy as np
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.budgets import highest, places
from anomaly_cl.scoring.daily_evaluation import budget_curve, calendar_days, daily_alerts, shown_budgets


def test_alerts_are_counted_day_by_day():
    found = daily_alerts(np.array([1.0, 0, 0, 1, 0]), np.array([True, True, False, False, False]),
                         np.array([5, 5, 5, 8, 8]))
    assert (found.days, found.alerts, found.most_alerts_a_day) == (2, 2, 2)
    assert (found.alerts_a_day, found.precision, found.recall) == (1.0, .5, .5)


def test_without_alerts_there_is_no_precision():
    assert daily_alerts(np.array([1.0, 0]), np.zeros(2, bool), np.zeros(2)).precision is None


@pytest.mark.parametrize("seed", range(3))
def test_each_point_of_the_curve_equals_the_highest_scores_of_each_day(seed):
    rng = np.random.default_rng(seed)
    n = 300
    labels, scores, days = (rng.random(n) < .2).astype(float), rng.integers(0, 9, n) * 1.0, rng.integers(0, 6, n)
    worth = rng.normal(size=n)
    budgets = np.array([1, 2, 17, 40, 1000])
    curve = budget_curve(labels, places(scores, days), budgets, worth)
    for at, budget in enumerate(budgets.tolist()):
        alerts = highest(scores, days, budget)
        counted = daily_alerts(labels, alerts, days)
        assert curve.alerts[at] == counted.alerts
        assert curve.precision[at] == pytest.approx(counted.precision)
        assert curve.recall[at] == pytest.approx(counted.recall)
        assert curve.saved[at] == pytest.approx(worth[alerts].sum())
    assert budget_curve(labels, places(scores, days), budgets).saved is None


def test_places_count_the_rows_of_the_group_before_each():
    rng = np.random.default_rng(0)
    scores, groups = rng.integers(0, 5, 200), rng.integers(0, 4, 200)
    for row, place in enumerate(places(scores, groups)):
        same = groups == groups[row]
        before = same & ((scores > scores[row]) | ((scores == scores[row]) & (np.arange(200) < row)))
        assert place == before.sum()


def test_a_day_ends_at_midnight_of_the_clock_and_a_missing_time_is_refused():
    times = np.array(["2026-01-01T23:59:59.999999", "2026-01-02T00:00:00", "1969-12-31T12:00"], "datetime64[us]")
    assert np.diff(calendar_days(times)).tolist() == [1, -20_456]
    with pytest.raises(InputError, match="1 of 2 have none"):
        calendar_days(np.array(["2026-01-01", "NaT"], "datetime64[us]"))


@pytest.mark.parametrize("most", [1, 7, 20, 21, 300, 5000])
def test_shown_budgets_ascend_from_one_to_the_most(most):
    budgets = shown_budgets(most)
    assert (budgets[0], budgets[-1]) == (1, most)
    assert (np.diff(budgets) > 0).all()
    assert len(budgets) <= 100
