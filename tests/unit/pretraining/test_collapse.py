import math

import pytest
import torch

from anomaly_cl.errors import ModelError
from anomaly_cl.pretraining.collapse import check_not_collapsed, effective_rank, spread


def cloud(n=200, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(200, 6), (6, 200), (1, 3), (2, 3)])
def test_effective_rank_equals_its_definition_by_singular_values(shape):
    embeddings = cloud(*shape).double()
    singular = torch.linalg.svdvals(embeddings - embeddings.mean(dim=0))
    share = [s / float(singular.sum()) for s in singular.tolist() if s > 1e-9]
    expected = math.exp(-sum(p * math.log(p) for p in share)) if share else 0
    assert effective_rank(embeddings) == pytest.approx(expected, rel=1e-5)


def test_effective_rank_counts_directions_of_equal_size():
    axes = torch.cat([torch.eye(5), -torch.eye(5)])
    assert effective_rank(axes) == pytest.approx(5)
    assert effective_rank(axes[:, :1]) == pytest.approx(1)
    assert effective_rank(torch.ones(10, 5)) == 0


def test_spread_is_the_root_mean_square_distance_from_the_mean():
    embeddings = cloud()
    slow = sum(float((row - embeddings.mean(dim=0)).norm()) ** 2 for row in embeddings) / len(embeddings)
    assert spread(embeddings) == pytest.approx(math.sqrt(slow), rel=1e-5)


@pytest.mark.parametrize("healthy", [lambda e: e, lambda e: 50 * e, lambda e: e[:, :3], lambda e: e @ cloud(6, 64)])
def test_healthy_embeddings_pass(healthy):
    check_not_collapsed(cloud(), healthy(cloud()))


def test_rows_of_a_single_column_are_not_a_collapse():
    check_not_collapsed(cloud(d=1), cloud(d=1))


@pytest.mark.parametrize("collapsed", [
    lambda e: torch.ones_like(e),
    lambda e: 1e-4 * e,
    lambda e: e[:, :1].expand(-1, 6),
])
def test_embeddings_at_one_point_or_on_one_line_are_refused(collapsed):
    with pytest.raises(ModelError, match="collapsed"):
        check_not_collapsed(cloud(), collapsed(cloud()))


def test_rows_on_a_line_may_stay_on_a_line():
    line = cloud()[:, :1].expand(-1, 6)
    check_not_collapsed(line + 1e-4 * cloud(seed=1), line)


def test_embeddings_that_are_not_finite_have_no_rank():
    assert math.isnan(effective_rank(torch.tensor([[1.0, torch.nan], [0.0, 2.0]])))


def test_embeddings_that_are_not_finite_are_refused():
    embeddings = cloud()
    embeddings[3, 2] = torch.nan
    with pytest.raises(ModelError, match="finite"):
        check_not_collapsed(cloud(), embeddings)
