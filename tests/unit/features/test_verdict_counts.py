import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.verdict_counts import NEVER, Lags, VerdictHistory, verdict_counts

LAGS = Lags(step=5, steps=4)
RECORD = st.tuples(st.integers(-1, 3), st.integers(0, 40), st.booleans(), st.one_of(st.just(NEVER), st.integers(0, 60)))
ROW = st.tuples(st.integers(-1, 4), st.integers(-5, 70))
RECORDS, ROWS = st.lists(RECORD, min_size=1, max_size=30), st.lists(ROW, min_size=1, max_size=12)


def columns(records, presume_after=None):
    codes, instants, fraud, decided = (np.array(list(each)) for each in zip(*records, strict=True))
    return VerdictHistory(instants, fraud & (decided < NEVER), decided.astype(np.int64), presume_after), codes


def double_loop(history, codes, entities, instants, lags):
    counts = np.zeros((2, lags.steps, len(entities)), int)
    for row, (entity, now) in enumerate(zip(entities, instants, strict=True)):
        records = zip(codes, history.instants, history.is_fraud, history.decided_at, strict=True)
        for own, then, fraud, decided in records:
            bin_ = -((then - now) // lags.step) - 1  # then in [now - (bin + 1) step, now - bin step)
            if own != entity or own < 0 or not 0 <= bin_ < lags.steps:
                continue
            known = decided <= now
            presumed = history.presume_after is not None and then + history.presume_after <= now
            if known and fraud:
                counts[0, bin_, row] += 1
            elif known or presumed:
                counts[1, bin_, row] += 1
    return counts


@given(RECORDS, ROWS, st.sampled_from([None, 1, 12]))
@settings(max_examples=200, deadline=None)
def test_counts_equal_the_double_loop(records, rows, presume_after):
    history, codes = columns(records, presume_after)
    entities, instants = np.array(rows).T
    found = verdict_counts(history, codes, entities, instants, LAGS)
    assert_array_equal(found, double_loop(history, codes, entities, instants, LAGS))


@given(RECORDS, ROW, RECORDS)
@settings(max_examples=100, deadline=None)
def test_what_is_decided_later_changes_nothing(records, row, others):
    now = row[1]
    known = [record for record in records if record[3] <= now]
    later = [(*record[:3], max(record[3], now + 1)) for record in others]
    before, after = ([] if not some else verdict_counts(*columns(some), *np.array([row]).T, LAGS)
                     for some in (known, known + later))
    assert_array_equal(after, before if known else np.zeros((2, LAGS.steps, 1)))


def test_a_row_does_not_see_the_others():
    rng = np.random.default_rng(0)
    history = VerdictHistory(rng.integers(0, 500, 2_000), rng.random(2_000) < 0.3, rng.integers(0, 600, 2_000), 50)
    codes, entities, instants = rng.integers(0, 9, 2_000), rng.integers(0, 9, 300), rng.integers(0, 600, 300)
    whole = np.array(verdict_counts(history, codes, entities, instants, Lags(7, 30)))
    slices = [slice(i, i + 7) for i in range(0, 300, 7)]
    parts = [verdict_counts(history, codes, entities[part], instants[part], Lags(7, 30)) for part in slices]
    assert_array_equal(np.concatenate(parts, axis=2), whole)
    assert whole.sum(axis=(1, 2)).min() > 0


def test_a_record_is_not_evidence_on_itself_nor_on_others_of_its_instant():
    history = VerdictHistory(np.array([10, 10]), np.array([True, True]), np.array([10, 10]))
    frauds, _ = verdict_counts(history, [0, 0], [0, 0], [10, 11], LAGS)
    assert_array_equal(frauds[0], [0, 2])


def test_microseconds_and_many_entities_do_not_overflow():
    instants = np.array([0, 2 * 10**15, 4 * 10**15])  # 127 years
    history = VerdictHistory(instants, np.array([True, True, False]), instants + 1)
    frauds, legitimate = verdict_counts(history, [10**6] * 3, [10**6], [5 * 10**15], Lags(10**15, 6))
    assert_array_equal(frauds[:, 0], [0, 0, 1, 0, 1, 0])
    assert_array_equal(legitimate[:, 0], [1, 0, 0, 0, 0, 0])


def test_what_is_known_at_an_instant_is_fraud_legitimate_or_neither():
    history = VerdictHistory(np.array([0, 1, 2, 3]), np.array([True, False, True, False]),
                             np.array([5, 5, 9, NEVER]), presume_after=4)
    assert_array_equal(history.known(6), [[True, False, False, False], [False, True, True, False]])
    assert_array_equal(history.known(9), [[True, False, True, False], [False, True, False, True]])


def test_no_rows_and_no_records_give_zeros():
    empty = VerdictHistory(np.empty(0, int), np.empty(0, bool), np.empty(0, int))
    assert not np.any(verdict_counts(empty, [], [1, 2], [3, 4], LAGS))
    assert verdict_counts(empty, [], [], [], LAGS)[0].shape == (4, 0)


def test_settings_and_arrays_that_cannot_be_meant_are_refused():
    for step, steps in ((0, 3), (3, 0)):
        with pytest.raises(UsageError):
            Lags(step, steps)
    with pytest.raises(InputError, match="whole numbers"):
        VerdictHistory(np.array([0.5]), np.array([True]), np.array([1]))
    with pytest.raises(InputError, match="equally many"):
        VerdictHistory(np.array([0, 1]), np.array([True]), np.array([1]))
    with pytest.raises(UsageError, match="positive"):
        VerdictHistory(np.array([0]), np.array([True]), np.array([1]), presume_after=0)
