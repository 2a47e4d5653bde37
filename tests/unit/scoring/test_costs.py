import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.calibration import p_values
from anomaly_cl.scoring.costs import Cost, anomaly_share, cost_curve
from anomaly_cl.scoring.policy import Known, ScoredRows


def _simulated(rng, share, shift, n_rows=20_000, n_calibration=10_000):
    """Rows, their labels, and the calibration scores."""
    calibration = rng.normal(size=n_calibration)
    labels = rng.random(n_rows) < share
    scores = rng.normal(size=n_rows) + shift * labels
    return ScoredRows(p_values(scores, calibration), scores, n_calibration=n_calibration), labels


def _least_cost(share, shift, policy):
    """The least expected cost of a row over all thresholds, where both densities are known."""
    t = np.concatenate([[0], np.geomspace(1e-9, 1, 4_000)])
    caught = norm.sf(norm.isf(t) - shift)
    return (policy.false_alarm * (1 - share) * t + policy.missed * share * (1 - caught)).min()


def _true_cost(rows, labels, policy):
    alerts = policy.alerts(rows)
    return (policy.false_alarm * (alerts & ~labels).sum() + policy.missed * (labels & ~alerts).sum()) / len(labels)


@pytest.mark.parametrize(("share", "shift", "text_prior", "most"), [
    (0.01, 2.0, 0.01, 1.25), (0.05, 2.0, 0.05, 1.2), (0.05, 4.0, 0.05, 1.5), (0.001, 4.0, 0.001, 2.0),
    (0.05, 2.0, None, 1.5), (0.05, 4.0, None, 2.5), (0.01, 2.0, None, 1.8), (0.01, 4.0, None, 3.5),
])
def test_the_cost_comes_near_the_least_possible_where_the_truth_is_known(share, shift, text_prior, most):
    policy = Cost(1, 20, text_prior)
    rng = np.random.default_rng(0)
    paid = np.mean([_true_cost(*_simulated(rng, share, shift), policy) for _ in range(20)])
    assert paid <= most * _least_cost(share, shift, policy)
    assert paid <= 1.01 * policy.missed * share  # and never above leaving everything alone


def test_the_share_of_anomalies_is_seldom_overestimated_and_close_where_they_stand_out():
    rng = np.random.default_rng(1)
    for share, shift in ((0.0, 0.0), (0.01, 4.0), (0.05, 4.0), (0.05, 2.0)):
        found = [anomaly_share(rows.p_values, len(rows), 10_000)
                 for rows, _ in (_simulated(rng, share, shift) for _ in range(20))]
        assert np.mean(found) <= share + 0.002
        assert shift < 4 or np.mean(found) >= 0.8 * share


def test_normal_rows_alone_cost_next_to_nothing():
    rng = np.random.default_rng(2)
    false_alarms = [Cost(1, 50).alerts(_simulated(rng, 0, 0)[0]).mean() for _ in range(20)]
    assert np.mean(false_alarms) < 0.02
    assert np.median(false_alarms) == 0


def test_the_curve_is_the_double_loop_and_its_least_point_the_grenander_slope():
    rows, _ = _simulated(np.random.default_rng(3), 0.05, 2.0, 400, 300)
    curve = cost_curve(rows.p_values, 400, 2.0, 30.0, 0.1)
    for t, n, cost in zip(curve.thresholds, curve.alerts, curve.costs, strict=True):
        false = 400 * 0.9 * t
        assert n == sum(p <= t for p in rows.p_values)
        assert cost == pytest.approx(2 * false + 30 * (40 - min(n - false, 40)))
    best = curve.best
    assert curve.costs[best] == curve.costs.min()
    # while anomalies are left, no chord from the choice is steeper to the right, or flatter to the left, than the costs
    unsaturated = curve.alerts - curve.false_alarms < 40
    slope = 400 * 0.9 * (2 + 30) / 30
    for i in np.flatnonzero(unsaturated):
        gained, wide = curve.alerts[i] - curve.alerts[best], curve.thresholds[i] - curve.thresholds[best]
        assert unsaturated[best]
        assert gained <= slope * wide + 1e-9


def test_the_curve_becomes_plain_data_that_holds_the_choice():
    rows, _ = _simulated(np.random.default_rng(4), 0.05, 3.0)
    curve = Cost(1, 50).curve(rows)
    told = json.loads(json.dumps(curve.to_dict()))
    assert len(told["cost_curve"]) <= 64
    assert [curve.threshold, told["expected_cost"]] in told["cost_curve"]
    assert told["cost_curve"][0] == [0.0, told["cost_without_alerts"]]
    assert told["expected_cost"] == min(cost for _, cost in told["cost_curve"])


def test_dearer_misses_never_give_fewer_alerts():
    rows, _ = _simulated(np.random.default_rng(5), 0.03, 2.5)
    for prior in (None, 0.03):
        counts = [Cost(1, missed, prior).alerts(rows).sum() for missed in (1, 3, 10, 50, 200)]
        assert counts == sorted(counts)
        assert Cost(2, 100, prior).alerts(rows).sum() == Cost(1, 50, prior).alerts(rows).sum()


def test_an_alert_that_never_pays_is_refused_with_the_rows_it_needs():
    policy = Cost(1, 10, 0.0001)
    needed = math.ceil(0.9999 / 0.001) - 1
    policy.check(Known(needed))
    with pytest.raises(UsageError, match=f"calibrate on {needed:,} rows"):
        policy.check(Known(needed - 1))
    Cost(1, 10).check(Known(1))


@pytest.mark.parametrize("text", ["1e308:1", "1:1e-308", "nan:1", "1:inf"])
def test_costs_whose_sums_are_no_numbers_are_refused(text):
    with pytest.raises(UsageError, match="costs are numbers above 0"):
        Cost.parse(text)
