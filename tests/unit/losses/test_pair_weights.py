import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.nt_xent import NTXentLoss, nt_xent
from anomaly_cl.losses.pair_weights import duplicate_weights


def cloud(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def loop_weights(rows, others, scale):
    nearest = statistics.median_low(
        min(math.dist(row, other) for j, other in enumerate(rows) if j != i) for i, row in enumerate(rows)
    )
    return [[1 - math.exp(-((math.dist(row, other) / (scale * nearest)) ** 2) / 2) for other in others] for row in rows]


def loop_nt_xent(a, b, temperature, weights):
    """Equation 1 of Chen et al. 2020 with a weight on each negative."""
    unit = torch.nn.functional.normalize(torch.cat([a, b]).double(), dim=1)
    n, total = len(a), 0.0
    for i in range(2 * n):
        share = {k: math.exp(float(unit[i] @ unit[k]) / temperature) for k in range(2 * n) if k != i}
        partner = (i + n) % (2 * n)
        others = sum(float(weights[i % n, k % n]) * value for k, value in share.items() if k != partner)
        total -= math.log(share[partner] / (share[partner] + others))
    return total / (2 * n)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 9), st.integers(1, 9), st.integers(1, 4), st.floats(0.1, 3), st.integers(0, 99))
def test_weights_equal_the_double_loop(n, m, d, scale, seed):
    rows, others = cloud(n, d, seed).double(), cloud(m, d, seed + 1).double()
    expected = torch.tensor(loop_weights(rows.tolist(), others.tolist(), scale), dtype=torch.float64)
    torch.testing.assert_close(duplicate_weights(rows, others, scale), expected, rtol=1e-6, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.1, 3), st.integers(0, 99))
def test_weighted_nt_xent_equals_the_double_loop(n, d, temperature, seed):
    a, b = cloud(n, d, seed), cloud(n, d, seed + 1)
    weights = torch.rand(n, n, generator=torch.Generator().manual_seed(seed))
    expected = loop_nt_xent(a, b, temperature, weights)
    assert float(nt_xent(a, b, temperature, weights)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_weights_of_one_change_nothing_and_the_diagonal_is_not_read():
    a, b = cloud(6, 3), cloud(6, 3, 1)
    torch.testing.assert_close(nt_xent(a, b, 0.4, torch.ones(6, 6)), nt_xent(a, b, 0.4))
    torch.testing.assert_close(NTXentLoss(0.4)(a, b, 1 - torch.eye(6)), nt_xent(a, b, 0.4))


def test_a_copy_of_a_row_in_the_batch_repels_no_more():
    rows = cloud(6, 3)
    rows[5] = rows[0]
    views = rows.clone().requires_grad_()
    weights = duplicate_weights(rows, rows)
    assert weights[0, 5] == weights[5, 0] == 0
    without = nt_xent(views, views + 0.1, 0.4, weights)
    assert without < nt_xent(views, views + 0.1, 0.4)
    without.backward()
    assert torch.isfinite(views.grad).all()


def test_weights_rise_with_distance_from_none_to_full():
    rows = torch.arange(10.0).unsqueeze(1)
    weights = duplicate_weights(rows, torch.tensor([[0.0], [0.2], [0.5], [1.0], [100.0]]))[0]
    assert weights[0] == 0
    assert weights.tolist() == sorted(weights.tolist())
    assert weights[-1] == 1


def test_copies_far_from_the_origin_are_still_copies():
    rows = (1e4 + cloud(6, 30)).repeat(2, 1)
    others = rows[:6]
    assert (duplicate_weights(rows[:6], others).diagonal() == 0).all()
    assert duplicate_weights(rows, others).tolist() == (1 - torch.eye(6).repeat(2, 1)).tolist()  # half are copies


def test_a_row_alone_knows_only_its_copies():
    assert duplicate_weights(torch.ones(1, 2), torch.tensor([[1.0, 1.0], [1.0, 1.1]])).tolist() == [[0, 1]]


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError, match="width"):
        duplicate_weights(torch.ones(3, 2), torch.ones(3, 1))
    with pytest.raises(UsageError, match="scale"):
        duplicate_weights(torch.ones(3, 2), torch.ones(3, 2), 0)
    with pytest.raises(UsageError, match="weights"):
        nt_xent(torch.ones(3, 2), torch.ones(3, 2), 0.3, torch.ones(2, 3))
