import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.encoders.heads import ProjectionHead
from anomaly_cl.encoders.tabular import ResidualMLP, orthonormal
from anomaly_cl.errors import UsageError


def moved(encoder: ResidualMLP) -> ResidualMLP:
    """The encoder with a last layer that is not zero, as after training."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        encoder.last.weight.copy_(torch.randn(encoder.last.weight.shape, generator=generator) / 16)
    return encoder.eval()


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5), (0, 5)])
def test_leading_dimensions_are_kept(shape):
    assert ResidualMLP(5, 3)(torch.zeros(shape)).shape == (*shape[:-1], 3)


def test_untrained_of_equal_width_is_the_identity():
    rows = torch.randn(20, 6)
    assert torch.equal(ResidualMLP(6)(rows), rows)


def test_untrained_of_greater_width_keeps_every_distance():
    rows = torch.randn(20, 6)
    np.testing.assert_allclose(torch.cdist(ResidualMLP(6, 9)(rows), ResidualMLP(6, 9)(rows)).detach(),
                               torch.cdist(rows, rows), atol=1e-4)


def test_a_far_row_stays_far():
    encoder = moved(ResidualMLP(4, 4))
    near, far = torch.ones(1, 4), 1000 * torch.ones(1, 4)
    assert encoder(far).norm() > 100 * encoder(near).norm()


def test_skip_and_network_add_up():
    encoder = moved(ResidualMLP(5, 3, width=8, depth=1))
    row = torch.randn(5)
    hidden = encoder.first(row)
    block = encoder.blocks[0]
    hidden = hidden + block.outer(block.inner(hidden.clamp(min=0)).clamp(min=0))
    expected = encoder.projection @ row + encoder.last(hidden.clamp(min=0))
    torch.testing.assert_close(encoder(row), expected)


def test_every_parameter_gets_a_gradient_once_the_last_layer_has_moved():
    encoder = moved(ResidualMLP(5, 3))
    encoder(torch.randn(50, 5)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())


def test_the_projection_is_not_trained_and_is_saved():
    encoder = ResidualMLP(5, 3)
    assert "projection" in encoder.state_dict()
    assert "projection" not in dict(encoder.named_parameters())


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_projections_are_orthonormal_and_follow_their_seed(n_outputs, n_inputs, seed):
    matrix = orthonormal(n_outputs, n_inputs, seed)
    small = matrix @ matrix.T if n_outputs <= n_inputs else matrix.T @ matrix
    assert matrix.shape == (n_outputs, n_inputs)
    torch.testing.assert_close(small, torch.eye(min(n_outputs, n_inputs)), atol=1e-5, rtol=0)
    assert torch.equal(matrix, orthonormal(n_outputs, n_inputs, seed))


def test_the_projection_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    orthonormal(3, 5, seed=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("sizes", [{"n_inputs": 0}, {"n_outputs": 0}, {"width": 0}, {"depth": -1}])
def test_sizes_that_cannot_be_meant_are_refused(sizes):
    with pytest.raises(UsageError, match="at least one input"):
        ResidualMLP(**({"n_inputs": 3} | sizes))


def test_no_normalisation_layer():
    assert not [name for name, _ in ResidualMLP(5).named_modules() if "norm" in name.lower()]


def test_projection_head_maps_the_last_dimension():
    assert ProjectionHead(5, 7)(torch.zeros(2, 3, 5)).shape == (2, 3, 7)
