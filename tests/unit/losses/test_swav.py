import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.swav import SwAVLoss, sinkhorn, swapped_prediction


def scores(n, k, seed=0):
    return 2 * torch.rand(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def loop_sinkhorn(scores, epsilon, iterations):
    """Appendix A of Caron et al. 2020: scale columns, then rows, number by number."""
    n, k = scores.shape
    share = [[math.exp(scores[i, j] / epsilon) for j in range(k)] for i in range(n)]
    for _ in range(iterations):
        for j in range(k):
            total = sum(share[i][j] for i in range(n))
            for i in range(n):
                share[i][j] /= total * k
        for i in range(n):
            total = sum(share[i])
            share[i] = [value / (total * n) for value in share[i]]
    return n * np.array(share)


def loop_swapped(a, b, temperature, epsilon, iterations):
    """Equation 2, averaged over rows and the two sides."""
    total = 0.0
    for guessed, assigned in ((a, b), (b, a)):
        target = loop_sinkhorn(assigned, epsilon, iterations)
        for i in range(len(a)):
            normaliser = math.log(sum(math.exp(s / temperature) for s in guessed[i]))
            total -= sum(q * (s / temperature - normaliser) for q, s in zip(target[i], guessed[i], strict=True))
    return total / (2 * len(a))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 10), st.integers(1, 6), st.floats(0.05, 2), st.integers(1, 5), st.integers(0, 99))
def test_sinkhorn_and_the_loss_equal_their_loops(n, k, epsilon, iterations, seed):
    a, b = scores(n, k, seed), scores(n, k, seed + 1)
    np.testing.assert_allclose(sinkhorn(a, epsilon, iterations), loop_sinkhorn(a.numpy(), epsilon, iterations))
    expected = loop_swapped(a.numpy(), b.numpy(), 0.3, epsilon, iterations)
    assert float(swapped_prediction(a, b, 0.3, epsilon, iterations)) == pytest.approx(expected)


def test_sinkhorn_ends_in_groups_of_equal_size():
    share = sinkhorn(scores(60, 5), 0.5, 200)
    torch.testing.assert_close(share.sum(dim=1), torch.ones(60, dtype=torch.float64))
    torch.testing.assert_close(share.sum(dim=0), torch.full((5,), 12.0, dtype=torch.float64))


def test_sinkhorn_with_little_entropy_is_the_best_assignment():
    gain = scores(7, 7)
    rows, columns = linear_sum_assignment(gain.numpy(), maximize=True)
    assert sinkhorn(gain, 1e-3, 5000).argmax(dim=1).tolist() == columns[np.argsort(rows)].tolist()


def test_a_small_epsilon_does_not_overflow():
    assert torch.isfinite(sinkhorn(scores(20, 4).float(), 1e-4, 3)).all()


def test_no_gradient_flows_through_the_assignment():
    a, b = scores(6, 3).requires_grad_(), scores(6, 3, 1).requires_grad_()
    swapped_prediction(a, b, 0.3).backward()
    target = sinkhorn(b.detach(), 0.05, 3)
    expected = (torch.softmax(a.detach() / 0.3, dim=1) - target) / 0.3 / 12
    torch.testing.assert_close(a.grad, expected)


def test_the_two_sides_are_interchangeable_and_the_module_holds_the_settings():
    a, b = scores(9, 4), scores(9, 4, 1)
    torch.testing.assert_close(swapped_prediction(a, b, 0.2), swapped_prediction(b, a, 0.2))
    assert torch.equal(SwAVLoss(0.2, 0.1, 4)(a, b), swapped_prediction(a, b, 0.2, 0.1, 4))


@pytest.mark.parametrize(("change", "message"), [
    ({"b": scores(3, 2)}, "same shape"), ({"temperature": 0.0}, "temperature"), ({"epsilon": 0.0}, "epsilon"),
    ({"iterations": 0}, "iteration"), ({"a": torch.ones(0, 2), "b": torch.ones(0, 2)}, r"\(n, k\)"),
])
def test_what_cannot_be_meant_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        swapped_prediction(**({"a": scores(4, 2), "b": scores(4, 2), "temperature": 0.1} | change))
