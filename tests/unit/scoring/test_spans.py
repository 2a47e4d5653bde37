import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.spans import Span, SpanRules, find_spans, span_quality

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=40)
SPANS = st.lists(st.builds(lambda start, length: Span(start, start + length, start), st.integers(0, 60),
                           st.integers(0, 12)), max_size=12)


def _slow_spans(alert, score, rules):
    runs = []
    for step, is_alert in enumerate(alert):
        if not is_alert:
            continue
        if runs and step - runs[-1][1] - 1 < rules.merge_gap:
            runs[-1][1] = step
        else:
            runs.append([step, step])
    return [Span(a, b, max(range(a, b + 1), key=lambda step: (score[step], -step))) for a, b in runs
            if b - a + 1 >= rules.shortest]


@given(STEPS, st.integers(1, 6), st.integers(1, 6))
def test_spans_equal_the_step_by_step_walk(steps, merge_gap, shortest):
    alert, score = [is_alert for is_alert, _ in steps], [score for _, score in steps]
    rules = SpanRules(merge_gap, shortest)
    assert find_spans(np.array(alert, bool), np.array(score, float), rules) == _slow_spans(alert, score, rules)


@given(STEPS)
def test_spans_that_neither_merge_nor_drop_are_the_alerted_steps(steps):
    alert = np.array([is_alert for is_alert, _ in steps], bool)
    covered = np.zeros(len(alert), bool)
    for span in find_spans(alert, np.zeros(len(alert)), SpanRules(1, 1)):
        covered[span.start:span.end + 1] = True
    assert_array_equal(covered, alert)


def test_runs_as_far_apart_as_the_gap_stay_two():
    alert = np.array([1, 0, 0, 1], bool)
    assert len(find_spans(alert, np.zeros(4), SpanRules(merge_gap=2, shortest=1))) == 2
    assert find_spans(alert, np.zeros(4), SpanRules(merge_gap=3, shortest=1)) == [Span(0, 3, 0)]


def test_runs_too_short_alone_count_by_their_whole_length_once_merged():
    alert = np.array([1, 0, 1, 0, 0, 0, 1], bool)
    assert find_spans(alert, np.arange(7), SpanRules(merge_gap=2, shortest=3)) == [Span(0, 2, 2)]


def test_the_callers_arrays_stay_as_they_were():
    alert, score = np.array([True, False, True]), np.array([1.0, 2.0, 3.0])
    find_spans(alert, score, SpanRules(2, 1))
    assert_array_equal(alert, [True, False, True])
    assert_array_equal(score, [1, 2, 3])


@pytest.mark.parametrize(("alert", "score"), [
    (np.array([1, 0]), [1.0, 2.0]), (np.array([True]), [1.0, 2.0]), (np.array([True, False]), [1.0, np.nan]),
    (np.array([[True]]), [1.0]),
])
def test_steps_without_a_plain_alert_and_score_are_refused(alert, score):
    with pytest.raises(InputError):
        find_spans(alert, score, SpanRules(1, 1))


@pytest.mark.parametrize("rules", [(0, 1), (1, 0), (1.5, 1), (1, True)])
def test_rules_that_mean_nothing_are_refused(rules):
    with pytest.raises(UsageError):
        SpanRules(*rules)


@pytest.mark.parametrize("positions", [(-1, 2, 1), (3, 2, 3), (1, 4, 5), (1, 4, 0)])
def test_a_span_out_of_order_is_refused(positions):
    with pytest.raises(InputError):
        Span(*positions)


def _slow_share(spans, others):
    met = [any(set(range(a.start, a.end + 1)) & set(range(b.start, b.end + 1)) for b in others) for a in spans]
    return sum(met) / len(met) if met else math.nan


@given(SPANS, SPANS, st.data())
def test_quality_equals_the_double_loop_over_shared_steps_even_if_spans_overlap_each_other(found, true, data):
    kinds = [data.draw(st.sampled_from(["spike", "drift", "level"])) for _ in true]
    quality = span_quality(found, true, kinds)
    slow = {kind: _slow_share([span for span, its in zip(true, kinds, strict=True) if its == kind], found)
            for kind in set(kinds)}
    assert quality.precision == pytest.approx(_slow_share(found, true), nan_ok=True)
    assert quality.recall == pytest.approx(_slow_share(true, found), nan_ok=True)
    assert quality.recall_by_kind == pytest.approx(slow)


def test_spans_that_only_touch_do_not_meet():
    assert span_quality([Span(0, 3, 0)], [Span(4, 5, 4)]).recall == 0
    assert span_quality([Span(0, 4, 0)], [Span(4, 5, 4)]).recall == 1


def test_shares_of_nothing_are_nan():
    quality = span_quality([], [])
    assert math.isnan(quality.precision)
    assert math.isnan(quality.recall)
    assert quality.recall_by_kind == {}


def test_kinds_of_other_spans_are_refused():
    with pytest.raises(InputError, match="1 spans and 2 kinds"):
        span_quality([], [Span(0, 1, 0)], ["spike", "drift"])
