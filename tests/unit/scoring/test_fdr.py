import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.fdr import Fdr, calibration_needed, step_up
from anomaly_cl.scoring.policy import Known, ScoredRows
from anomaly_cl.scoring.thresholds import parse_policy

ROWS = st.lists(st.integers(1, 40), min_size=1, max_size=40).map(lambda ranks: np.array(ranks) / 40)


@given(ROWS, st.sampled_from([0.013, 0.07, 0.31, 0.77]), st.booleans())
def test_the_alerts_are_those_of_scipy(p, level, arbitrary):
    adjusted = false_discovery_control(p, method="by" if arbitrary else "bh")
    mask = Fdr(level, arbitrary).alerts(ScoredRows(p, -p))
    np.testing.assert_array_equal(mask, adjusted <= level * (1 + 1e-12))


@given(ROWS, st.sampled_from([0.05, 0.25, 0.5]), st.integers(0, 50))
def test_rows_above_the_level_are_needed_only_as_a_number(p, level, further):
    whole = np.concatenate([p, np.ones(further)])
    assert step_up(p[p <= level], level, len(whole)) == step_up(whole, level)


@pytest.mark.parametrize(("level", "strange", "n_rows"), [(0.05, 1, 500), (0.1, 7, 3_000), (0.05, 20, 2_000)])
def test_the_calibration_it_asks_for_is_the_smallest_that_can_alert(level, strange, n_rows):
    needed = calibration_needed(level, strange / n_rows)
    for n_calibration, alerted in ((needed, strange), (needed - 1, 0)):
        p = np.ones(n_rows)
        p[:strange] = 1 / (n_calibration + 1)
        assert Fdr(level).alerts(ScoredRows(p, -p)).sum() == alerted


def test_a_calibration_that_can_never_reach_the_level_is_refused_with_the_rows_it_needs():
    Fdr(0.05).check(Known(19))
    with pytest.raises(UsageError, match="calibrate on 19 rows"):
        Fdr(0.05).check(Known(18))
    Fdr(0.05, share=0.001).check(Known(19_999))
    with pytest.raises(UsageError, match="calibrate on 19,999 rows"):
        Fdr(0.05, share=0.001).check(Known(19_998))
    with pytest.raises(UsageError, match="calibrate on 58 rows"):  # 1 + 1/2 + ... + 1/10 is 2.93
        Fdr(0.05, arbitrary=True).check(Known(19, n_rows=10))


def test_it_says_before_scoring_how_many_rows_must_be_strange():
    said = Fdr(0.05).warning(Known(999, n_rows=3_000))
    for part in ("999 calibration rows", "about 2 %", "19,999", "3,000 rows needs 59,999", "tail"):
        assert part in said
    assert "single alert" not in Fdr(0.05).warning(Known(999))
    assert "and more in a large file" in Fdr(0.05, arbitrary=True).warning(Known(999))
    assert "single alert" not in Fdr(0.05).warning(Known(999, n_rows=0))
    for policy, known in ((Fdr(0.05), Known(1_999)), (Fdr(0.05, tail=True), Known(999)),
                          (Fdr(0.05, share=0.5), Known(999))):
        assert policy.warning(known) == ""


def test_a_tail_is_used_only_where_it_is_asked_for_and_was_fitted():
    p, p_tail = np.full(100, 0.5), np.full(100, 0.5)
    p[0], p_tail[0] = 1 / 100, 1e-5
    rows = ScoredRows(p, 1 - p, p_tail)
    assert Fdr(0.05).alerts(rows).sum() == 0
    assert Fdr(0.05, tail=True).alerts(rows).tolist() == [True] + [False] * 99
    Fdr(0.05, tail=True).check(Known(5, tail=True))
    with pytest.raises(UsageError, match="no tail"):
        Fdr(0.05, tail=True).check(Known(5_000))


def test_arbitrary_dependence_finds_no_more():
    rng = np.random.default_rng(0)
    p = np.where(np.arange(500) < 100, rng.random(500) * 0.004, rng.random(500))
    rows = ScoredRows(p, -p)
    some, more = Fdr(0.1, arbitrary=True).alerts(rows), Fdr(0.1).alerts(rows)
    assert 0 < some.sum() < more.sum()
    assert (some <= more).all()
    assert parse_policy("fdr=0.1,arbitrary") == Fdr(0.1, arbitrary=True)
