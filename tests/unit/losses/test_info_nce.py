import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import NTXentLoss as Oracle

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.clip import CLIPLoss, clip_loss
from anomaly_cl.losses.info_nce import InfoNCELoss, info_nce


def cloud(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return x @ y / (np.linalg.norm(x) * np.linalg.norm(y))


def loop_info_nce(queries, keys, queue, temperature, weights):
    """Equation 1 of He et al. 2020, with a weight on each negative."""
    total = 0.0
    for i, query in enumerate(queries):
        own = math.exp(cosine(query, keys[i]) / temperature)
        others = sum(weights[i][j] * math.exp(cosine(query, other) / temperature) for j, other in enumerate(queue))
        total -= math.log(own / (own + others))
    return total / len(queries)


def loop_clip(a, b, temperature, weights=(None, None)):
    total = 0.0
    for left, right, weight in ((a, b, weights[1]), (b, a, weights[0])):
        for i in range(len(a)):
            shares = [math.exp(cosine(left[i], other) / temperature) * (1 if weight is None or i == j else weight[i][j])
                      for j, other in enumerate(right)]
            total -= math.log(shares[i] / sum(shares))
    return total / (2 * len(a))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 9), st.integers(1, 5), st.floats(0.1, 3), st.integers(0, 99))
def test_info_nce_equals_the_double_loop(n, m, d, temperature, seed):
    queries, keys, queue = cloud(n, d, seed), cloud(n, d, seed + 1), cloud(m, d, seed + 2)
    weights = torch.rand(n, m, generator=torch.Generator().manual_seed(seed))
    expected = loop_info_nce(queries.numpy(), keys.numpy(), queue.numpy(), temperature, weights.tolist())
    assert float(info_nce(queries, keys, queue, temperature, weights)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.1, 3), st.integers(0, 99))
def test_clip_equals_the_double_loop(n, d, temperature, seed):
    a, b = cloud(n, d, seed), cloud(n, d, seed + 1)
    expected = loop_clip(a.numpy(), b.numpy(), temperature)
    assert float(clip_loss(a, b, temperature)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.1, 3), st.integers(0, 99))
def test_weighed_clip_equals_the_double_loop(n, d, temperature, seed):
    a, b = cloud(n, d, seed), cloud(n, d, seed + 1)
    weights = torch.rand(2, n, n, generator=torch.Generator().manual_seed(seed))
    expected = loop_clip(a.numpy(), b.numpy(), temperature, weights.tolist())
    assert float(clip_loss(a, b, temperature, *weights)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_info_nce_equals_pytorch_metric_learning():
    queries, keys, queue = cloud(12, 4), cloud(12, 4, 1), cloud(30, 4, 2)
    labels = torch.arange(12)
    expected = Oracle(0.3)(queries, labels, ref_emb=torch.cat([keys, queue]),
                           ref_labels=torch.cat([labels, 100 + torch.arange(30)]))
    # the oracle counts the other queries' keys as negatives too, so they join the queue, each absent from its own row
    others = torch.cat([keys, queue])
    weights = torch.cat([1 - torch.eye(12), torch.ones(12, 30)], dim=1)
    torch.testing.assert_close(info_nce(queries, keys, others, 0.3, weights), expected)


def test_clip_equals_pytorch_metric_learning_in_both_directions():
    a, b, labels, oracle = cloud(16, 5), cloud(16, 5, 1), torch.arange(16), Oracle(0.3)
    others = labels.clone()  # the very same tensor would say that both sides are the same rows
    expected = (oracle(a, labels, ref_emb=b, ref_labels=others) + oracle(b, labels, ref_emb=a, ref_labels=others)) / 2
    torch.testing.assert_close(clip_loss(a, b, 0.3), expected)


def test_a_negative_without_weight_is_as_good_as_absent_and_weights_of_one_change_nothing():
    queries, keys, queue = cloud(5, 3), cloud(5, 3, 1), cloud(7, 3, 2)
    absent = torch.ones(5, 7)
    absent[:, 4:] = 0
    torch.testing.assert_close(info_nce(queries, keys, queue, 0.5, absent), info_nce(queries, keys, queue[:4], 0.5))
    torch.testing.assert_close(info_nce(queries, keys, queue, 0.5, torch.ones(5, 7)),
                               info_nce(queries, keys, queue, 0.5))


def test_a_negative_without_weight_gives_no_gradient():
    queries, keys, queue = cloud(5, 3), cloud(5, 3, 1), cloud(7, 3, 2).requires_grad_()
    weights = torch.ones(5, 7)
    weights[:, 2] = 0
    info_nce(queries, keys, queue, 0.5, weights).backward()
    assert torch.isfinite(queue.grad).all()
    assert (queue.grad[2] == 0).all()
    assert (queue.grad[3] != 0).any()


def test_gradients_are_those_of_finite_differences():
    sides = [cloud(4, 3, seed).double().requires_grad_() for seed in range(3)]
    assert torch.autograd.gradcheck(lambda q, k, others: info_nce(q, k, others, 0.5), sides)
    assert torch.autograd.gradcheck(lambda a, b: clip_loss(a, b, 0.5), sides[:2])


def test_lengths_do_not_matter_and_modules_hold_their_temperature():
    a, b, queue = cloud(6, 3), cloud(6, 3, 1), cloud(4, 3, 2)
    torch.testing.assert_close(InfoNCELoss(0.3)(3 * a, 0.1 * b, 7 * queue), info_nce(a, b, queue, 0.3))
    torch.testing.assert_close(CLIPLoss(0.3)(3 * a, 0.1 * b), clip_loss(b, a, 0.3))


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2), (5, 2)), ((3, 2), (3, 2), (5, 3)), ((0, 2), (0, 2), (5, 2)),
                                    ((3,), (3,), (5, 2)), ((3, 2), (3, 2), (5,))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(UsageError, match="queue"):
        info_nce(*map(torch.ones, shapes), 0.3)


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_parts_that_do_not_fit_are_refused(shapes):
    with pytest.raises(UsageError, match="both parts"):
        clip_loss(*map(torch.ones, shapes), 0.3)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_positive(temperature):
    with pytest.raises(UsageError, match="temperature"):
        info_nce(cloud(3, 2), cloud(3, 2), cloud(3, 2), temperature)
    with pytest.raises(UsageError, match="temperature"):
        clip_loss(cloud(3, 2), cloud(3, 2), temperature)


@pytest.mark.parametrize("weights", [torch.ones(3, 4), torch.ones(5), -torch.ones(3, 5), torch.full((3, 5), math.nan)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(UsageError, match="weights"):
        info_nce(cloud(3, 2), cloud(3, 2), cloud(5, 2), 0.3, weights)
