import numpy as np
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.card_precision import card_precision, card_precision_curve, entity_days


def _rows(seed, n=400, distinct_scores=6):
    """Many ties in score, few entities that come back on many days, and days without rows between."""
    rng = np.random.default_rng(seed)
    labels, entities = (rng.random(n) < .15).astype(float), rng.integers(-3, 25, n)
    return labels, rng.integers(0, distinct_scores, n) / 2.0, entities, rng.choice([3, 4, 9, 10, 11, 30], n)


def _slow(labels, scores, entities, days, budget):
    """The definition, row by row."""
    found, shares = set(), []
    for day in sorted(set(days.tolist())):
        highest, truth = {}, {}
        for y, s, entity, when in zip(labels, scores, entities.tolist(), days, strict=True):
            if when == day and entity not in found:
                highest[entity] = max(s, highest.get(entity, -np.inf))
                truth[entity] = max(y, truth.get(entity, 0))
        looked_into = sorted(highest, key=lambda entity: (-highest[entity], entity))[:budget]
        hits = {entity for entity in looked_into if truth[entity] == 1}
        shares.append(len(hits) / budget)
        found |= hits
    return np.mean(shares), len(found)


@pytest.mark.parametrize("budget", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("seed", range(5))
def test_card_precision_equals_the_double_loop(seed, budget):
    rows = _rows(seed)
    result = card_precision(*rows, budget)
    mean, found = _slow(*rows, budget)
    assert result.card_precision == pytest.approx(mean, abs=1e-15)
    assert result.found == found
    assert result.best_possible == pytest.approx(_slow(rows[0], rows[0], *rows[2:], budget)[0], abs=1e-15)
    assert result.entities == len(set(rows[2].tolist()))
    assert result.compromised == len(set(rows[2][rows[0] == 1].tolist()))


def test_the_curve_is_card_precision_at_each_budget():
    rows = _rows(7)
    budgets = np.array([1, 3, 4, 20, 500])
    expected = [card_precision(*rows, budget).card_precision for budget in budgets.tolist()]
    np.testing.assert_array_equal(card_precision_curve(entity_days(*rows), budgets), expected)


def test_an_entity_found_once_leaves_its_place_to_others_on_later_days():
    labels, entities = np.array([1.0, 0, 1, 1]), np.array([7, 8, 7, 8])
    scores, days = np.array([9.0, 1, 9, 1]), np.array([0, 0, 1, 1])
    assert card_precision(labels, scores, entities, days, 1).card_precision == 1  # 7 on the first day, 8 on the second


def test_of_equal_scores_the_smaller_entity_is_looked_into_and_the_order_of_rows_is_nothing():
    labels, entities, scores = np.array([0.0, 1]), np.array([2, 1]), np.array([5.0, 5.0])
    for order in ([0, 1], [1, 0]):
        assert card_precision(labels[order], scores[order], entities[order], np.zeros(2), 1).card_precision == 1
    assert card_precision(labels, scores, np.array([1, 2]), np.zeros(2), 1).card_precision == 0


def test_days_with_fewer_entities_than_the_budget_are_divided_by_the_budget_all_the_same():
    labels = np.array([1.0, 0])
    assert card_precision(labels, labels, np.array([0, 1]), np.zeros(2), 10).card_precision == .1


def test_what_cannot_be_evaluated_is_refused():
    rows = _rows(0)
    with pytest.raises(UsageError, match="1 or more; it is 0"):
        card_precision(*rows, 0)
    with pytest.raises(InputError, match="no row has an entity"):
        card_precision(*(array[:0] for array in rows), 5)
