import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.drift import (
    BULK,
    DriftMonitor,
    DriftReference,
    kolmogorov_smirnov,
    stability_index,
    tail_excess,
)
from anomaly_cl.scoring.drift_verdict import ColumnDrift, Finding, Verdict, decide

NAMES = ("a", "b", "c")


def rows(n_rows, seed, shift=0.0):
    """Scores and numbers of rows whose second column has few values and whose first is moved by `shift`."""
    rng = np.random.default_rng(seed)
    numbers = np.column_stack(
        [rng.normal(size=n_rows) + shift, rng.integers(0, 3, n_rows), rng.exponential(size=n_rows)])
    return np.square(numbers[:, 0] - shift) + numbers[:, 2], numbers


def reference(n_rows=1_000):
    return DriftReference().fit(*rows(n_rows, 0), NAMES, np.random.default_rng(0))


def verdict_of(*batches, of=None):
    monitor = DriftMonitor(of or reference())
    for scores, numbers in batches:
        monitor.add(scores, numbers)
    return monitor.verdict()


def test_rows_like_those_of_the_calibration_are_fine():
    found = verdict_of(rows(5_000, 1))
    assert found.verdict is Verdict.FINE
    assert found.rows == 5_000
    assert found.calibration_rows == 1_000
    assert found.moved == ()
    assert found.chance == 1
    assert "5,000 rows" in found.sentence


def test_a_moved_column_is_named_although_the_scores_stay():
    found = verdict_of(rows(3_000, 1, shift=0.5))
    assert found.verdict is Verdict.RECALIBRATE
    assert found.moved == ("a",) == tuple(column.name for column in found.columns[:1])
    assert found.columns[0].size > 0.1 > found.bulk_distance
    assert "a changed" in found.sentence


def test_scores_that_rise_ask_for_a_new_calibration_although_no_column_moved():
    scores, numbers = rows(3_000, 1)
    found = verdict_of((scores * 1.5, numbers))
    assert found.verdict is Verdict.RECALIBRATE
    assert found.moved == ()
    assert found.bulk_distance > 0.1
    assert "scores of ordinary rows" in found.sentence


def test_rows_that_are_all_strange_ask_for_a_new_calibration():
    scores, numbers = rows(300, 1)
    found = verdict_of((scores + 100, numbers))
    assert found.verdict is Verdict.RECALIBRATE
    assert found.tail_excess == pytest.approx(0.9, abs=0.002)
    assert "100% of the rows" in found.sentence


def test_columns_of_rows_that_moved_far_are_named_although_those_rows_are_strange():
    scores, numbers = rows(2_000, 1)
    scores[::3] += 100
    numbers[::3, 1] = 7
    found = verdict_of((scores, numbers))
    assert found.verdict is Verdict.RECALIBRATE
    assert found.moved == ("b",)
    assert found.columns[0].name == "b"


def test_some_fraud_is_no_drift():
    scores, numbers = rows(20_000, 1)
    scores[::25] += 100
    numbers[::25] = [50.0, 7.0, 90.0]
    found = verdict_of((scores, numbers))
    assert found.verdict is Verdict.FINE
    assert 0.03 < found.tail_excess < 0.05


def test_a_new_category_is_found():
    scores, numbers = rows(2_000, 1)
    numbers[::5, 1] = 1.5
    found = verdict_of((scores, numbers))
    assert found.verdict is Verdict.RECALIBRATE
    assert found.moved == ("b",)


def test_values_that_begin_to_be_missing_are_found():
    scores, numbers = rows(2_000, 1)
    numbers[::4, 0] = np.inf
    assert verdict_of((scores, numbers)).moved == ("a",)


def test_the_order_of_the_rows_does_not_matter_while_they_are_together_as_ever():
    scores, numbers = rows(6_000, 1)
    for order in (np.argsort(scores), np.argsort(numbers[:, 0])):
        assert verdict_of((scores[order], numbers[order])).verdict is Verdict.FINE


@pytest.mark.parametrize("size", [1, 700, 10_000])
def test_the_verdict_does_not_depend_on_the_batches(size):
    scores, numbers = rows(3_000 if size == 1 else 9_000, 1, shift=0.1)
    batches = [(scores[i:i + size], numbers[i:i + size]) for i in range(0, len(scores), size)]
    assert verdict_of(*batches) == verdict_of((scores, numbers))


def test_asking_and_empty_batches_change_nothing():
    monitor = DriftMonitor(reference())
    for part in (rows(3_000, 1), rows(0, 1), rows(3_000, 2)):
        monitor.add(*part)
        monitor.verdict()
    assert monitor.verdict() == verdict_of(rows(3_000, 1), rows(3_000, 2))


def test_state_restores_the_reference():
    for kept in (reference(), reference(50)):
        again = DriftReference.from_state(kept.to_state())
        assert verdict_of(rows(500, 1), of=again) == verdict_of(rows(500, 1), of=kept)


def test_too_few_rows_give_no_verdict():
    few = verdict_of(rows(500, 1), of=reference(99))
    assert few.verdict is Verdict.UNKNOWN
    assert "99 calibration rows" in few.sentence
    assert "100 are needed" in few.sentence
    assert verdict_of().verdict is Verdict.UNKNOWN
    assert verdict_of(rows(500, 1), of=reference(100)).verdict is Verdict.FINE


def test_tables_without_a_column_to_compare_are_judged_by_their_scores():
    scores, _ = rows(1_000, 0)
    only_scores = DriftReference().fit(scores, np.empty((1_000, 0)), (), np.random.default_rng(0))
    new, _ = rows(2_000, 1)
    assert verdict_of((new, np.empty((2_000, 0))), of=only_scores).verdict is Verdict.FINE
    assert verdict_of((new * 2, np.empty((2_000, 0))), of=only_scores).verdict is Verdict.RECALIBRATE


def test_numbers_must_fit_the_scores_and_be_no_nan():
    monitor = DriftMonitor(reference())
    scores, numbers = rows(10, 1)
    for wrong in (numbers[:5], numbers[:, :2], np.where(numbers > 1, np.nan, numbers)):
        with pytest.raises(InputError):
            monitor.add(scores, wrong)
    with pytest.raises(UsageError, match="level"):
        monitor.verdict(level=1.5)


def test_the_stability_index_is_its_formula():
    counts, base = np.array([10, 30, 60]), np.array([200, 300, 500])
    q, p = (counts + 0.5) / 101.5, (base + 0.5) / 1001.5
    assert stability_index(counts, base) == pytest.approx(sum((q[i] - p[i]) * np.log(q[i] / p[i]) for i in range(3)))
    assert stability_index(np.zeros(3, int), base) == 0


def test_the_bulk_distance_is_that_of_the_two_sample_test():
    scores, numbers = rows(4_000, 1)
    kept, scores = reference(), scores * 1.3
    found = verdict_of((scores, numbers), of=kept)
    edge, old = kept.score_cells_.edges[0, BULK - 1], rows(1_000, 0)[0]
    assert found.bulk_distance == pytest.approx(ks_2samp(scores[scores < edge], old[old < edge]).statistic, abs=0.011)


def test_distances_without_rows_are_zero():
    nothing, some = np.zeros(100, int), np.ones(100, int)
    assert kolmogorov_smirnov(nothing, some) == tail_excess(nothing, some) == tail_excess(some, some) == 0


def finding(log_capital, size, name="bulk", kind=Finding):
    return kind(name, log_capital, 0.25, size)


def test_a_verdict_needs_certainty_and_size():
    sure, likely, unsure = np.log(4 * 200), np.log(4 * 20), np.log(4 * 5)
    grades = {(sure, 0.2): "recalibrate", (sure, 0.06): "watch", (sure, 0.04): "fine", (likely, 0.2): "watch",
              (likely, 0.06): "fine", (unsure, 0.5): "fine"}
    for (log_capital, size), expected in grades.items():
        found = [finding(log_capital, size), finding(0, 0, "tail")]
        assert decide(100, 100, 100, found, (), 0.01).verdict == expected
        column = [finding(log_capital, size, "amount", ColumnDrift)]
        assert decide(100, 100, 100, [finding(0, 0), finding(0, 0, "tail")], column, 0.01).verdict == expected


def test_a_verdict_is_plain_data_for_json():
    found = verdict_of(rows(3_000, 1, shift=0.5)).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["verdict"] == "recalibrate"
    assert found["columns"][0]["column"] == "a"
    assert set(found) == {"verdict", "sentence", "rows", "calibration_rows", "chance", "bulk_distance", "tail_excess",
                          "moved", "columns"}
