import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.nt_xent import NTXentLoss, nt_xent


def double_loop(a, b, temperature):
    """Equation 1 of Chen et al. 2020, term by term in float64."""
    views = np.concatenate([a, b]).astype(np.float64)
    n = len(a)

    def similarity(i, j):
        return views[i] @ views[j] / (np.linalg.norm(views[i]) * np.linalg.norm(views[j])) / temperature

    total = 0.0
    for i in range(2 * n):
        others = [similarity(i, k) for k in range(2 * n) if k != i]
        largest = max(others)
        total += largest + math.log(sum(math.exp(s - largest) for s in others)) - similarity(i, (i + n) % (2 * n))
    return total / (2 * n)


def views(n, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, d, generator=generator)
    return a, a + 0.5 * torch.randn(n, d, generator=generator)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 9), st.floats(0.05, 5), st.integers(0, 1000))
def test_nt_xent_equals_the_double_loop(n, d, temperature, seed):
    a, b = views(n, d, seed)
    expected = double_loop(a.numpy(), b.numpy(), temperature)
    assert float(nt_xent(a, b, temperature)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("temperature", [1e-4, 1e-3])
def test_nt_xent_is_stable_at_a_small_temperature(temperature):
    a, b = (view.double().requires_grad_() for view in views(20, 5))
    loss = nt_xent(a, b, temperature)
    loss.backward()
    expected = double_loop(a.detach().numpy(), b.detach().numpy(), temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    assert torch.isfinite(a.grad).all()
    assert math.isfinite(nt_xent(*views(20, 5), temperature))


@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
def test_nt_xent_equals_pytorch_metric_learning(temperature):
    from pytorch_metric_learning.losses import NTXentLoss as Oracle

    a, b = views(32, 8)
    labels = torch.arange(32).repeat(2)
    torch.testing.assert_close(nt_xent(a, b, temperature), Oracle(temperature)(torch.cat([a, b]), labels))


def test_the_two_sides_are_interchangeable():
    a, b = views(16, 4)
    torch.testing.assert_close(nt_xent(a, b, 0.3), nt_xent(b, a, 0.3))


def test_the_order_of_rows_and_their_lengths_do_not_matter():
    a, b = views(16, 4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(nt_xent(a, b, 0.3), nt_xent(3 * a[order], 0.1 * b[order], 0.3))


def test_a_single_row_has_no_negative_and_no_loss():
    assert float(nt_xent(*views(1, 4), 0.3)) == pytest.approx(0, abs=1e-6)


def test_equal_views_of_everything_give_the_loss_of_guessing():
    same = torch.ones(8, 4)
    assert float(nt_xent(same, same, 0.3)) == pytest.approx(math.log(15), rel=1e-5)


def test_a_zero_row_gives_a_finite_gradient():
    a, b = views(8, 4)
    a[0] = 0
    a.requires_grad_()
    nt_xent(a, b, 0.3).backward()
    assert torch.isfinite(a.grad).all()


def test_the_gradient_is_that_of_finite_differences():
    a, b = (view.double().requires_grad_() for view in views(5, 3))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5), (a, b))


def test_inputs_are_not_changed():
    a, b = views(8, 4)
    before = a.clone(), b.clone()
    nt_xent(a, b, 0.3)
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


def test_the_module_holds_the_temperature():
    a, b = views(8, 4)
    assert torch.equal(NTXentLoss(0.3)(a, b), nt_xent(a, b, 0.3))


@pytest.mark.parametrize(("a", "b"), [
    ((3, 2), (4, 2)), ((3, 2), (3, 1)), ((3,), (3,)), ((0, 2), (0, 2)), ((2, 3, 4), (2, 3, 4)),
])
def test_shapes_that_do_not_fit_are_refused(a, b):
    with pytest.raises(UsageError, match=r"shape \(n, d\)"):
        nt_xent(torch.ones(a), torch.ones(b), 0.3)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_positive(temperature):
    with pytest.raises(UsageError, match="temperature"):
        nt_xent(*views(3, 2), temperature)
