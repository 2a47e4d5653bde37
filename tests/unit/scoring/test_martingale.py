from itertools import product

import numpy as np
import pytest

from anomaly_cl.scoring.cells import Cells
from anomaly_cl.scoring.martingale import (
    STRENGTHS,
    WIDTHS,
    log_capital,
    log_urn,
    together,
)


def test_the_urn_is_the_product_of_its_draws():
    rng = np.random.default_rng(0)
    weights, draws = rng.uniform(0.5, 5, 4), rng.integers(0, 4, 30)
    urn, probability = weights.copy(), 1.0
    for cell in draws:
        probability *= urn[cell] / urn.sum()
        urn[cell] += 1
    assert log_urn(np.bincount(draws, minlength=4), weights) == pytest.approx(np.log(probability))


def test_capital_is_that_of_bets_on_conformal_p_values_of_a_growing_bag():
    """The slow truth: rank each row among all before it, bet on where its p-value falls, row by row."""
    rng = np.random.default_rng(1)
    reference, stream = rng.normal(size=60), rng.normal(0.8, 1, 80)
    cells = Cells.between(reference[:, None], np.zeros((60, 1)), 6)
    bag, seen = list(reference), np.zeros(6)
    capitals = np.ones((len(STRENGTHS), len(WIDTHS)))
    for value in stream:
        share = (cells.gaps + seen) / (len(bag) + 1)
        # a smoothed conformal p-value lies between these; no edge of a cell lies within
        low, high = sum(x < value for x in bag) / (len(bag) + 1), (sum(x < value for x in bag) + 1) / (len(bag) + 1)
        cell = int(np.searchsorted(np.cumsum(share), (low + high) / 2))
        assert np.cumsum(share)[cell] - share[cell] <= low + 1e-12
        assert high <= np.cumsum(share)[cell] + 1e-12
        for (i, strength), (j, width) in product(enumerate(STRENGTHS), enumerate(WIDTHS)):
            offered = min(strength, 61 / 2) * cells.gaps / 61 + seen
            bet = np.repeat(together(offered, width) / together(share, width) / offered.sum(), width)[:6]
            assert np.sum(bet * share) == pytest.approx(1)  # a density on 0..1, by cell
            capitals[i, j] *= bet[cell]
        seen[cell] += 1
        bag.append(value)
    assert log_capital(seen, cells.gaps) == pytest.approx(np.log(capitals.mean()))


def test_capital_is_one_before_the_first_row():
    assert log_capital(np.zeros(5), np.full(5, 20)) == pytest.approx(0)


def test_expected_capital_after_the_next_row_is_the_capital():
    counts, gaps = np.array([7, 1, 0, 3]), np.array([3, 3, 2, 3])
    next_share = (gaps + counts) / (gaps + counts).sum()
    after = np.exp(log_capital(counts + np.eye(4, dtype=int), gaps))
    assert next_share @ after == pytest.approx(np.exp(log_capital(counts, gaps)))
