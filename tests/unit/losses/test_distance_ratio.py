import math

import pytest
import torch

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.distance_ratio import LEAST, DistanceRatioLoss, distance_ratio, neighbour_distance


@pytest.fixture
def distances():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(7, generator=generator) + 0.1, torch.rand(5, generator=generator) + 0.1


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_distance_ratio_equals_the_double_loop(distances, temperature):
    normal, strange = distances
    slow = [temperature * math.log1p(math.exp(math.log(float(d) / float(e)) / temperature))
            for d in normal for e in strange]
    assert float(DistanceRatioLoss(temperature)(normal, strange)) == pytest.approx(sum(slow) / len(slow), rel=1e-5)


def test_the_unit_of_the_distances_does_not_matter(distances):
    normal, strange = distances
    torch.testing.assert_close(distance_ratio(9 * normal, 9 * strange, 0.5), distance_ratio(normal, strange, 0.5))


def test_the_loss_falls_as_strange_rows_move_away(distances):
    normal, strange = distances
    assert distance_ratio(normal, 2 * strange, 0.5) < distance_ratio(normal, strange, 0.5)


@pytest.mark.parametrize(("normal", "strange", "temperature"), [
    (torch.ones(2, 1), torch.ones(2), 1.0), (torch.ones(0), torch.ones(2), 1.0), (torch.ones(2), torch.ones(2), 0.0),
])
def test_other_shapes_and_temperatures_are_refused(normal, strange, temperature):
    with pytest.raises(UsageError):
        distance_ratio(normal, strange, temperature)


def test_neighbour_distance_equals_the_double_loop_without_the_rows_left_out():
    generator = torch.Generator().manual_seed(1)
    rows, bank = torch.randn(6, 3, generator=generator), torch.randn(9, 3, generator=generator)
    left_out = torch.rand(6, 9, generator=generator) < 0.3
    slow = []
    for i, row in enumerate(rows):
        apart = sorted(float((row - other).norm()) for j, other in enumerate(bank) if not left_out[i, j])
        slow.append(sum(apart[:2]) / 2 + LEAST)
    torch.testing.assert_close(neighbour_distance(rows, bank, 2, left_out), torch.tensor(slow), rtol=1e-3, atol=1e-4)


def test_fewer_usable_rows_than_neighbours_are_enough():
    rows, bank = torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    found = neighbour_distance(rows, bank, 3, torch.tensor([[False, True]]))
    torch.testing.assert_close(found, torch.tensor([5.0 + LEAST]), rtol=1e-4, atol=1e-4)


def test_equal_rows_have_a_finite_gradient():
    rows = torch.zeros(2, 2, requires_grad=True)
    neighbour_distance(rows, torch.zeros(3, 2), 2).log().sum().backward()
    assert torch.isfinite(rows.grad).all()
