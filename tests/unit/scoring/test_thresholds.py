import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.thresholds import Alpha, Budget, parse_policy


@given(st.one_of(
    st.builds(Alpha, st.floats(0, 1, exclude_min=True, exclude_max=True)), st.builds(Budget, st.integers(1, 10**12))
))
def test_a_policy_is_read_back_from_its_text(policy):
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize("text", [
    "", "alpha", "alpha=", "alpha=0", "alpha=1", "alpha=nan", "alpha=-0.1", "alpha=one", "budget=0", "budget=-5",
    "budget=2.5", "budget=inf", "fraction=0.1", "0.01", "alpha=0.1=0.2",
])
def test_nonsense_is_refused_with_a_remedy(text):
    with pytest.raises(UsageError) as error:
        parse_policy(text)
    assert error.value.rule
    assert error.value.value
    assert error.value.remedy


def test_spaces_and_capitals_do_not_matter():
    assert parse_policy(" Alpha = 0.05 ") == Alpha(0.05)


def test_alpha_alerts_at_and_below_the_rate():
    p = np.array([0.01, 0.02, 0.05, 0.0500001, 1.0])
    assert Alpha(0.05).alerts(p, np.zeros(5)).tolist() == [True, True, True, False, False]
    for n_calibration in range(1, 300):  # k / (n + 1) and its decimal are the same float
        rate = 7 / (n_calibration + 1)
        if rate < 1:
            assert Alpha(rate).alerts([rate], [0.0]).all()


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.07, 0.05, 0.01, 0.001, 1e-4])
def test_alpha_says_when_it_could_never_alert_and_how_many_rows_it_needs(rate):
    needed = next(n for n in range(20_000) if 1 / (n + 1) <= rate)
    Alpha(rate).check(needed)
    with pytest.raises(UsageError, match=f"calibrate on {needed} rows"):
        Alpha(rate).check(needed - 1)


@given(st.integers(1, 12), st.lists(st.integers(0, 4), max_size=12))
def test_a_budget_alerts_exactly_the_highest_scores_and_ties_in_row_order(count, scores):
    mask = Budget(count).alerts(np.ones(len(scores)), np.array(scores, dtype=float))
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert np.flatnonzero(mask).tolist() == sorted(order)
    assert mask.dtype == bool


def test_a_budget_needs_no_calibration():
    Budget(5).check(1)


@pytest.mark.parametrize("policy", [Alpha(0.1), Budget(2)])
def test_a_policy_refuses_rows_that_do_not_match(policy):
    for p, scores in (([0.1], [1.0, 2.0]), ([np.nan], [1.0]), ([0.1], [np.inf])):
        with pytest.raises(InputError):
            policy.alerts(p, scores)
    assert policy.alerts([], []).tolist() == []


def test_a_budget_is_a_whole_number():
    with pytest.raises(UsageError):
        Budget(1.5)
