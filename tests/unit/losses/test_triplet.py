import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.reducers import MeanReducer

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import (
    SoftTripletLoss,
    TripletMarginLoss,
    batch_hard,
    semi_hard,
    soft_triplet,
    triplet_margin,
)

EUCLIDEAN = LpDistance(normalize_embeddings=False)


def cloud(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def triplets(n, d, seed=0):
    return tuple(cloud(n, d, seed=3 * seed + part) for part in range(3))


def distance(x, y):
    return math.sqrt(sum((float(u) - float(v)) ** 2 for u, v in zip(x, y, strict=True)))


def loop_margin(anchors, positives, negatives, margin):
    sides = zip(anchors, positives, negatives, strict=True)
    return np.mean([max(0.0, distance(a, p) - distance(a, n) + margin) for a, p, n in sides])


def loop_soft(anchors, positives, negatives):
    sides = zip(anchors, positives, negatives, strict=True)
    return np.mean([-math.log(distance(a, n) ** 2 / (distance(a, p) ** 2 + distance(a, n) ** 2)) for a, p, n in sides])


def loop_batch_hard(embeddings, groups):
    found, n = [], range(len(groups))
    for a in n:
        positives = [i for i in n if groups[i] == groups[a] and i != a]
        negatives = [i for i in n if groups[i] != groups[a]]
        if positives and negatives:
            found.append((a, max(positives, key=lambda i: distance(embeddings[a], embeddings[i])),
                          min(negatives, key=lambda i: distance(embeddings[a], embeddings[i]))))
    return found


def loop_semi_hard(embeddings, groups):
    found, n = [], range(len(groups))
    for a in n:
        negatives = [i for i in n if groups[i] != groups[a]]
        for p in n:
            if p == a or groups[p] != groups[a] or not negatives:
                continue

            def far(i, a=a):
                return distance(embeddings[a], embeddings[i])

            beyond = [i for i in negatives if far(i) > far(p)]
            found.append((a, p, min(beyond, key=far) if beyond else max(negatives, key=far)))
    return found


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 6), st.floats(0, 3), st.integers(0, 99))
def test_both_losses_equal_the_loop(n, d, margin, seed):
    sides = triplets(n, d, seed)
    assert float(triplet_margin(*sides, margin)) == pytest.approx(loop_margin(*sides, margin), rel=1e-4, abs=1e-5)
    assert float(soft_triplet(*sides)) == pytest.approx(loop_soft(*sides), rel=1e-4, abs=1e-5)


def test_weights_say_how_much_a_triplet_counts():
    sides, weights = triplets(6, 3), torch.tensor([1.0, 0, 2, 0, 0, 0.5])
    each = [loop_soft(*(side[i : i + 1] for side in sides)) for i in range(6)]
    assert float(soft_triplet(*sides, weights)) == pytest.approx(np.average(each, weights=weights), rel=1e-4)
    torch.testing.assert_close(SoftTripletLoss()(*sides, torch.ones(6)), soft_triplet(*sides))
    assert float(soft_triplet(*sides, torch.zeros(6))) == 0
    with pytest.raises(UsageError, match="weights"):
        soft_triplet(*sides, torch.ones(5))


def test_the_margin_loss_equals_pytorch_metric_learning():
    sides = triplets(20, 5)
    index = tuple(torch.arange(20) + 20 * part for part in range(3))
    oracle = losses.TripletMarginLoss(margin=0.7, distance=EUCLIDEAN, reducer=MeanReducer())
    expected = oracle(torch.cat(sides), torch.zeros(60), index)
    torch.testing.assert_close(triplet_margin(*sides, 0.7), expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 10), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_mining_equals_the_loop(n, d, n_groups, seed):
    embeddings = cloud(n, d, seed=seed).double()
    groups = torch.randint(n_groups, (n,), generator=torch.Generator().manual_seed(seed))
    for mine, loop in ((batch_hard, loop_batch_hard), (semi_hard, loop_semi_hard)):
        found = list(zip(*(side.tolist() for side in mine(embeddings, groups)), strict=True))
        assert found == loop(embeddings.tolist(), groups.tolist())


def test_batch_hard_equals_pytorch_metric_learning():
    embeddings, groups = cloud(40, 5), torch.arange(40) % 7
    anchor, positive, negative = miners.BatchHardMiner(distance=EUCLIDEAN)(embeddings, groups)
    mined = batch_hard(embeddings, groups)
    for ours, theirs in zip(mined, (anchor, positive, negative), strict=True):
        assert torch.equal(ours, theirs)


def test_rows_of_a_single_group_or_all_of_their_own_give_no_triplets():
    for groups in (torch.zeros(6), torch.arange(6)):
        for mine in (batch_hard, semi_hard):
            assert [len(side) for side in mine(cloud(6, 3), groups)] == [0, 0, 0]


def test_the_soft_loss_knows_no_unit_and_the_margin_loss_does():
    sides = triplets(10, 4)
    larger = [100 * side for side in sides]
    torch.testing.assert_close(soft_triplet(*larger), soft_triplet(*sides))
    assert triplet_margin(*larger, 1.0) != triplet_margin(*sides, 1.0)


def test_gradients_are_those_of_finite_differences():
    sides = [side.double().requires_grad_() for side in triplets(4, 3)]
    assert torch.autograd.gradcheck(soft_triplet, sides)
    assert torch.autograd.gradcheck(lambda *parts: triplet_margin(*parts, 1.0), sides)


@pytest.mark.parametrize("loss", [TripletMarginLoss(), SoftTripletLoss()])
def test_equal_rows_give_finite_losses_and_gradients(loss):
    sides = [torch.ones(3, 2, requires_grad=True) for _ in range(3)]
    value = loss(*sides)
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(side.grad).all() for side in sides)


def test_modules_hold_their_settings():
    sides = triplets(5, 3)
    assert torch.equal(TripletMarginLoss(0.3)(*sides), triplet_margin(*sides, 0.3))
    assert torch.equal(SoftTripletLoss()(*sides), soft_triplet(*sides))


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2), (3, 2)), ((3,), (3,), (3,)), ((0, 2), (0, 2), (0, 2))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    for loss in (TripletMarginLoss(), SoftTripletLoss()):
        with pytest.raises(UsageError, match=r"shape \(t, d\)"):
            loss(*map(torch.ones, shapes))


def test_a_negative_margin_and_groups_of_another_length_are_refused():
    with pytest.raises(UsageError, match="margin"):
        triplet_margin(*triplets(3, 2), -1.0)
    for mine in (batch_hard, semi_hard):
        with pytest.raises(UsageError, match="groups"):
            mine(cloud(4, 2), torch.zeros(3))
