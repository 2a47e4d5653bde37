import numpy as np
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.savings import Prices

LABELS = np.array([1.0, 1, 0, 0, 0])
ALERTS = np.array([True, False, True, False, False])


def test_fixed_costs_are_those_added_up_by_hand():
    found = Prices.fixed(LABELS, 5, 100).savings(ALERTS)
    assert (found.cost_without_alerts, found.cost_with_alerts, found.saved) == (200, 100 + 5, 95)


def test_a_missed_fraud_costs_its_amount_and_each_alert_its_review():
    amounts = np.array([30.0, 1_000, np.nan, -5, 7])  # those of normal rows are not read
    found = Prices.by_amount(LABELS, amounts, 4).savings(ALERTS)
    assert (found.cost_without_alerts, found.cost_with_alerts, found.saved) == (1_030, 1_000 + 2 * 4, 22)


def test_cost_without_alerts_is_the_cost_of_an_empty_set_of_alerts():
    rng = np.random.default_rng(0)
    labels, alerts = (rng.random(500) < .1).astype(float), rng.random(500) < .2
    prices = Prices.by_amount(labels, rng.exponential(80, 500), 3)
    nothing = prices.savings(np.zeros(500, bool))
    assert nothing.saved == 0
    assert nothing.cost_with_alerts == nothing.cost_without_alerts == prices.savings(alerts).cost_without_alerts
    added_up = sum(prices.alert[i] if alerts[i] else prices.missed[i] for i in range(500))
    assert prices.savings(alerts).cost_with_alerts == pytest.approx(added_up)


@pytest.mark.parametrize("amount", [np.nan, np.inf, -1.0])
def test_frauds_without_a_usable_amount_are_counted_and_refused(amount):
    with pytest.raises(InputError, match="1 of 2 are missing, infinite or negative"):
        Prices.by_amount(LABELS, np.array([amount, 1, 1, 1, 1]), 4)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_costs_that_cannot_be_meant_are_refused(cost):
    with pytest.raises(UsageError, match="0 or more"):
        Prices.fixed(LABELS, cost, 1)
    with pytest.raises(UsageError, match="0 or more"):
        Prices.fixed(LABELS, 1, cost)
    with pytest.raises(UsageError, match="0 or more"):
        Prices.by_amount(LABELS, np.ones(5), cost)
