import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.series import LEAST_SPREAD, TAPS, DilatedTCN, KernelResidual
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import UsageError


def windows(n, width, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def moved(encoder):
    """The encoder with a last layer that is not zero, as after training."""
    with torch.no_grad():
        encoder.last.weight.normal_(generator=torch.Generator().manual_seed(5))
    return encoder.eval()


def slow_features(encoder, rows):
    """Maximum, mean, share above 0 and standard deviation of each kernel's products with each row, in float64."""
    found = []
    for dilation in encoder.dilations:
        reach = dilation * (TAPS // 2)
        padded = np.pad(rows - rows.mean(axis=1, keepdims=True, dtype=float), ((0, 0), (reach, reach)))
        taps = np.stack([padded[:, tap * dilation:tap * dilation + rows.shape[1]] for tap in range(TAPS)])
        kernels = encoder.get_buffer(f"kernels_{dilation}").numpy()[:, 0].astype(float)
        products = np.einsum("kt,tnp->nkp", kernels, taps)
        found += [products.max(axis=2), products.mean(axis=2), (products > 0).mean(axis=2), products.std(axis=2)]
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize(("width", "dilations"), [(1, [1]), (8, [1]), (9, [1]), (20, [1, 2]), (64, [1, 2, 4]),
                                                  (65, [1, 2, 4, 8])])
def test_untrained_kernels_are_the_standardised_features_of_the_loop(width, dilations):
    encoder, rows, new = KernelResidual(width, kernels=12), windows(40, width), windows(5, width, 1)
    assert encoder.dilations == dilations
    encoder.standardise(torch.tensor(rows))
    usual = slow_features(encoder, rows)
    expected = (slow_features(encoder, new) - usual.mean(axis=0)) / (usual.std(axis=0) + LEAST_SPREAD)
    found = embed(encoder.eval(), new)
    assert found.shape == (5, encoder.n_outputs)
    assert encoder.n_outputs == 4 * len(dilations) * (12 // len(dilations))
    assert_allclose(found, expected, atol=5e-3 if width > 1 else 1)


@pytest.mark.parametrize("encoder", [KernelResidual(40, kernels=12), DilatedTCN(40, 6)])
def test_encoders_see_no_level(encoder):
    encoder, rows = moved(encoder), windows(5, 40)
    assert_allclose(embed(encoder, rows + 7), embed(encoder, rows), rtol=1e-4, atol=1e-4)


def test_kernels_come_from_their_seed_alone():
    kernels = [KernelResidual(20, 8, kernel_seed=seed).get_buffer("kernels_1") for seed in (1, 1, 2)]
    assert torch.equal(kernels[0], kernels[1])
    assert not torch.equal(kernels[0], kernels[2])
    assert_allclose(kernels[0].sum(dim=2), 0, atol=1e-5)


def test_leading_dimensions_are_kept():
    for encoder in (KernelResidual(20, 8), DilatedTCN(20, 4)):
        for shape in [(20,), (3, 20), (2, 3, 20), (0, 20)]:
            assert encoder(torch.zeros(shape)).shape == (*shape[:-1], encoder.n_outputs)


def test_an_untrained_network_keeps_the_distances_of_windows():
    rows = windows(10, 30)
    embedded = embed(DilatedTCN(30, 6).eval(), rows)
    centred = rows - rows.mean(axis=1, keepdims=True)
    assert_allclose(embedded, centred, atol=1e-6)


@pytest.mark.parametrize("kind", [KernelResidual, DilatedTCN])
def test_every_parameter_gets_a_gradient_once_the_last_layer_has_moved(kind):
    encoder = moved(kind(20))
    encoder(torch.tensor(windows(30, 20))).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())


def test_at_the_start_only_the_last_layer_has_a_gradient():
    for encoder in (KernelResidual(20), DilatedTCN(20)):
        encoder(torch.tensor(windows(30, 20))).sum().backward()
        moving = {name for name, each in encoder.named_parameters() if each.grad.abs().sum() > 0}
        assert moving == {"last.weight", "last.bias"}


def test_a_network_sees_the_whole_of_a_window():
    encoder, window = moved(DilatedTCN(32, 8)), torch.tensor(windows(1, 32)).requires_grad_()
    (encoder(window) - encoder.features(window)).sum().backward()
    assert (window.grad != 0).all()


@pytest.mark.parametrize("kind", [KernelResidual, DilatedTCN])
def test_a_loss_of_distances_moves_an_untrained_encoder(kind):
    encoder, rows = kind(20), torch.tensor(windows(30, 20))
    (encoder(rows[:15]) - encoder(rows[15:])).square().sum().backward()
    assert encoder.last.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", [KernelResidual, DilatedTCN])
def test_from_its_state_an_encoder_embeds_the_same_bits(kind):
    encoder, rows = moved(kind(20, width=8)), windows(30, 20)
    if kind is KernelResidual:
        encoder.standardise(torch.tensor(rows))
    twin = encoder_from_state(encoder_state(encoder))
    assert twin.settings == encoder.settings
    np.testing.assert_array_equal(embed(twin, rows), embed(encoder, rows))


def test_a_window_does_not_see_the_others():
    rows = windows(30, 40)
    for encoder in (moved(KernelResidual(40)), moved(DilatedTCN(40))):
        np.testing.assert_array_equal(embed(encoder, rows)[[7]], embed(encoder, rows[[7]]))


@pytest.mark.parametrize("build", [lambda: KernelResidual(0), lambda: KernelResidual(5, kernels=3),
                                   lambda: KernelResidual(5, width=0), lambda: DilatedTCN(0), lambda: DilatedTCN(5, 0)])
def test_sizes_below_the_least_are_refused(build):
    with pytest.raises(UsageError, match="sizes"):
        build()
