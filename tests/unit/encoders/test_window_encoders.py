import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.series import DilatedTCN, KernelResidual
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.encoders.windows import TwoHalves, window_encoder
from anomaly_cl.errors import UsageError

ROWS = np.random.default_rng(0).normal(size=(40, 21)).astype(np.float32)
KINDS = pytest.mark.parametrize(("kind", "expected"), [("kernels", KernelResidual), ("tcn", DilatedTCN)])


@KINDS
def test_an_encoder_has_the_asked_kind_and_width(kind, expected):
    encoder = window_encoder(kind, 21, 7)
    assert isinstance(encoder, expected)
    assert (encoder.n_inputs, encoder.width) == (21, 7)
    assert window_encoder(kind, 21).width == {"kernels": 128, "tcn": 32}[kind]


def test_kernels_are_drawn_from_their_seed():
    first, again, other = (window_encoder("kernels", 21, 4, seed).get_buffer("kernels_1") for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@KINDS
def test_each_half_is_what_its_own_encoder_says(kind, expected):
    halves = TwoHalves(21, kind, 8, kernel_seed=3)
    halves.standardise(torch.tensor(ROWS))
    assert isinstance(halves.tower_a, expected)
    alone = []
    for part in (ROWS[:, :10], ROWS[:, 10:]):
        encoder = window_encoder(kind, part.shape[1], 8, 3)
        encoder.standardise(torch.tensor(part))
        alone.append(embed(encoder.eval(), part))
    np.testing.assert_allclose(embed(halves.eval(), ROWS), np.hstack(alone), atol=1e-5)


@KINDS
def test_from_their_state_halves_embed_the_same_bits(kind, expected):
    halves = TwoHalves(21, kind, 8)
    halves.standardise(torch.tensor(ROWS))
    with torch.no_grad():
        halves.tower_b.last.weight.normal_()
    twin = encoder_from_state(encoder_state(halves))
    assert_array_equal(embed(twin, ROWS), embed(halves.eval(), ROWS))


def test_unknown_kinds_and_windows_without_halves_are_refused():
    with pytest.raises(UsageError, match="tcn"):
        window_encoder("lstm", 21)
    with pytest.raises(UsageError, match="halves"):
        TwoHalves(1)
