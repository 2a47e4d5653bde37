import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.budgets import PERIODS, SEGMENT, Budget
from anomaly_cl.scoring.costs import Cost
from anomaly_cl.scoring.fdr import Fdr
from anomaly_cl.scoring.policy import Known, ScoredRows
from anomaly_cl.scoring.thresholds import POLICIES, Alpha, parse_policy
from tests.unit.scoring.made_up_scores import ALL_POLICIES, made_up

RATES = st.floats(0, 1, exclude_min=True, exclude_max=True)
COSTS = st.floats(1e-100, 1e20)


@given(st.one_of(
    st.builds(Alpha, RATES), st.builds(Fdr, RATES, st.booleans(), st.booleans(), st.none() | RATES),
    st.builds(Budget, st.integers(1, 10**12), st.sampled_from([None, SEGMENT, *PERIODS])),
    st.builds(Cost, COSTS, COSTS, st.none() | RATES),
))
def test_a_policy_is_read_back_from_its_text(policy):
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize("text", [
    "", "alpha", "alpha=", "alpha=0", "alpha=1", "alpha=nan", "alpha=-0.1", "alpha=one", "fraction=0.1", "0.01",
    "alpha=0.1=0.2", "budget=0", "budget=-5", "budget=2.5", "budget=inf", "budget=5/", "budget=5/month", "budget=/day",
    "fdr=0", "fdr=1", "fdr=", "fdr=0.1,", "fdr=0.1,any", "fdr=0.1,tail=2", "fdr=0.1,tail,tail", "fdr=0.1,share",
    "fdr=0.1,share=", "fdr=0.1,share=2", "fdr=arbitrary", "cost=50", "cost=1:", "cost=1:0", "cost=-1:5", "cost=1:inf",
    "cost=1:nan", "cost=1:50:2", "cost=1:50,prior=0", "cost=1:50,prior", "cost=1:50,0.1", "cost=one:two",
])
def test_nonsense_is_refused_with_a_remedy(text):
    with pytest.raises(UsageError) as error:
        parse_policy(text)
    assert error.value.rule
    assert error.value.value
    assert error.value.remedy


@pytest.mark.parametrize(("text", "policy"), [
    (" Alpha = 0.05 ", Alpha(0.05)), ("FDR=0.1 , TAIL, share = 0.01", Fdr(0.1, tail=True, share=0.01)),
    ("budget = 7 / Day", Budget(7, "day")), ("cost = 1 : 50, Prior=0.1", Cost(1, 50, 0.1)),
])
def test_spaces_and_capitals_do_not_matter(text, policy):
    assert parse_policy(text) == policy


def test_alpha_alerts_at_and_below_the_rate():
    p = np.array([0.01, 0.02, 0.05, 0.0500001, 1.0])
    assert Alpha(0.05).alerts(ScoredRows(p, np.zeros(5))).tolist() == [True, True, True, False, False]
    for n_calibration in range(1, 300):  # k / (n + 1) and its decimal are the same float
        rate = 7 / (n_calibration + 1)
        if rate < 1:
            assert Alpha(rate).alerts(ScoredRows([rate], [0.0])).all()


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.07, 0.05, 0.01, 0.001, 1e-4])
def test_alpha_says_when_it_could_never_alert_and_how_many_rows_it_needs(rate):
    needed = next(n for n in range(20_000) if 1 / (n + 1) <= rate)
    Alpha(rate).check(Known(needed))
    with pytest.raises(UsageError, match=f"calibrate on {needed} rows"):
        Alpha(rate).check(Known(needed - 1))


@pytest.mark.parametrize("text", ALL_POLICIES)
def test_rows_that_may_alert_are_enough_to_choose_by(text):
    policy, rows = parse_policy(text), made_up()
    expected = np.flatnonzero(policy.alerts(rows))
    kept = np.zeros(0, int)
    for part in np.array_split(np.arange(len(rows)), 23):
        kept = np.concatenate([kept, part])
        kept = kept[policy.may_alert(rows.take(kept))]
    few = ScoredRows.joined([rows.take(kept)], total=len(rows))
    np.testing.assert_array_equal(kept[policy.alerts(few)], expected)
    assert policy.cut(few) == policy.cut(rows)
    assert len(expected)


@pytest.mark.parametrize("text", ALL_POLICIES)
def test_a_stranger_row_is_never_passed_over_in_its_group(text):
    policy, rows = parse_policy(text), made_up(seed=1)
    mask = policy.alerts(rows)
    assert mask.dtype == bool
    assert mask.shape == (len(rows),)
    if "/" not in text:
        assert rows.scores[mask].min() >= rows.scores[~mask].max(initial=-np.inf)
    assert policy.in_words()


@pytest.mark.parametrize("text", ALL_POLICIES)
def test_no_rows_give_no_alerts(text):
    nothing = made_up(0)
    assert parse_policy(text).alerts(nothing).tolist() == []
    assert isinstance(parse_policy(text).cut(nothing), dict)


@pytest.mark.parametrize("text", [text for text in ALL_POLICIES if not text.startswith("budget")])
def test_the_cut_is_the_largest_p_value_that_is_alerted(text):
    policy, rows = parse_policy(text), made_up(seed=2)
    [limit] = [value for name, value in policy.cut(rows).items() if name.endswith("_at_most")]
    p = rows.p_tail if "tail" in text else rows.p_values
    np.testing.assert_array_equal(p <= limit, policy.alerts(rows))


def test_rows_that_do_not_match_are_refused():
    for p, scores in (([0.1], [1.0, 2.0]), ([np.nan], [1.0]), ([0.1], [np.inf])):
        with pytest.raises(InputError):
            ScoredRows(p, scores)
    with pytest.raises(InputError):
        ScoredRows([0.1], [1.0], times=np.zeros(2, "datetime64[us]"))


def test_every_policy_is_known_by_its_name():
    assert {policy.name for policy in POLICIES.values()} == set(POLICIES) == {"alpha", "fdr", "budget", "cost"}
