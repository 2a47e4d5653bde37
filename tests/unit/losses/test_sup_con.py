import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss as Oracle

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.nt_xent import nt_xent
from anomaly_cl.losses.sup_con import SupConLoss, sup_con


def cloud(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def double_loop(embeddings, labels, temperature):
    """Equation 2 of Khosla et al. 2020 (L_out), averaged over the rows that have a positive."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    anchors = []
    for i in range(len(unit)):
        positives = [p for p in range(len(unit)) if p != i and labels[p] == labels[i]]
        total = sum(math.exp(unit[i] @ unit[a] / temperature) for a in range(len(unit)) if a != i)
        if positives:
            anchors.append(-np.mean([math.log(math.exp(unit[i] @ unit[p] / temperature) / total) for p in positives]))
    return np.mean(anchors)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(1, 4), st.floats(0.1, 3), st.integers(0, 99))
def test_sup_con_equals_the_double_loop(n, d, classes, temperature, seed):
    labels = torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))
    assume(len(labels.unique()) < n)
    embeddings = cloud(n, d, seed)
    expected = double_loop(embeddings.double().numpy(), labels.tolist(), temperature)
    assert float(sup_con(embeddings, labels, temperature)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_sup_con_equals_pytorch_metric_learning():
    embeddings, labels = cloud(40, 6), torch.arange(40) % 5
    torch.testing.assert_close(sup_con(embeddings, labels, 0.2), Oracle(0.2)(embeddings, labels))


def test_classes_of_two_views_are_nt_xent():
    a, b = cloud(9, 4), cloud(9, 4, 1)
    torch.testing.assert_close(sup_con(torch.cat([a, b]), torch.arange(9).repeat(2), 0.3), nt_xent(a, b, 0.3))


def test_the_gradient_is_that_of_finite_differences_and_zero_rows_keep_it_finite():
    embeddings, labels = cloud(6, 3).double().requires_grad_(), torch.tensor([0, 1, 0, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda e: sup_con(e, labels, 0.5), (embeddings,))
    zero = torch.zeros(6, 3, requires_grad=True)
    sup_con(zero, labels, 0.5).backward()
    assert torch.isfinite(zero.grad).all()


def test_the_module_holds_the_temperature():
    embeddings, labels = cloud(6, 3), torch.tensor([0, 1, 0, 1, 2, 0])
    assert torch.equal(SupConLoss(0.3)(embeddings, labels), sup_con(embeddings, labels, 0.3))


@pytest.mark.parametrize(("labels", "temperature", "message"), [
    (torch.zeros(3), 0.1, "labels"), (torch.zeros(4), 0.0, "temperature"), (torch.arange(4), 0.1, "two rows"),
])
def test_what_cannot_be_meant_is_refused(labels, temperature, message):
    with pytest.raises(UsageError, match=message):
        sup_con(cloud(4, 2), labels, temperature)
