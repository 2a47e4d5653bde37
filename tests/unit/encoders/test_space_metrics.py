import pytest
import torch

from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError


def test_untrained_metrics_are_raw_geometry():
    rows = torch.randn(4, 6)
    torch.testing.assert_close(SpaceMetrics(6, 2)(rows), rows)


def test_each_metric_alters_its_own_space_alone():
    encoder = SpaceMetrics(6, 2, width=8)
    with torch.no_grad():
        encoder.metrics[1].last.bias.fill_(2.0)
    rows = torch.randn(4, 6)
    one, two = encoder(rows).chunk(2, dim=1)
    torch.testing.assert_close(one, rows[:, :3])
    torch.testing.assert_close(two, rows[:, 3:] + 2)


def test_a_state_gives_the_same_metrics():
    encoder = SpaceMetrics(6, 3, width=8)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn(parameter.shape))
    rows = torch.randn(5, 6)
    torch.testing.assert_close(encoder_from_state(encoder_state(encoder))(rows), encoder(rows), rtol=0, atol=0)


def test_a_residual_with_a_limit_does_not_follow_huge_values():
    encoder = ResidualMLP(2, width=8, depth=0, limit=6.0)
    with torch.no_grad():
        encoder.last.weight.fill_(1.0)
    far, farther = torch.tensor([[1e3, 0.0]]), torch.tensor([[1e6, 0.0]])
    torch.testing.assert_close(encoder(far) - far, encoder(farther) - farther, rtol=1e-2, atol=0.1)


@pytest.mark.parametrize("make", [lambda: SpaceMetrics(5, 2), lambda: SpaceMetrics(3, 0),
                                  lambda: ResidualMLP(2, limit=0.0)])
def test_sizes_that_cannot_be_meant_are_refused(make):
    with pytest.raises(UsageError):
        make()
