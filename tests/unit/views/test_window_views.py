import numpy as np
import pytest
import torch

from anomaly_cl.encoders.series import KernelResidual
from anomaly_cl.views.injections import SINGLE_CHANNEL_KINDS, inject
from anomaly_cl.views.series import Jitter, Warp
from anomaly_cl.views.windows import WINDOW_VIEWS, InjectedWindow, WindowView

COLUMN_OF = torch.arange(32)
ALTERED = (*WINDOW_VIEWS, InjectedWindow())


def windows(shape="wave", n=400, width=32):
    """Windows (n, width) less their means, a step apart."""
    rng, steps = np.random.default_rng(0), np.arange(n + width - 1)
    values = {"wave": np.sin(steps / 3) + 0.1 * rng.normal(size=len(steps)),
              "pulses": 3 * np.exp(-(((steps % 40) - 20) / 3) ** 2) + 0.05 * rng.normal(size=len(steps)),
              "noise": np.convolve(rng.normal(size=len(steps) + 4), np.ones(5), "valid")}[shape]
    cut = np.lib.stride_tricks.sliding_window_view(values, width)
    return torch.tensor(cut - cut.mean(axis=1, keepdims=True), dtype=torch.float32)


def altered(change, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return change(rows, *([rows] if isinstance(change, InjectedWindow) else []), COLUMN_OF, generator)


@pytest.mark.parametrize("change", ALTERED)
@pytest.mark.parametrize("n", [0, 1, 50])
def test_rows_keep_their_shape_and_the_callers_stay_as_they_are(change, n):
    rows = windows(n=50)[:n]
    before = rows.clone()
    found = altered(change, rows)
    assert found.shape == rows.shape
    assert found.dtype == rows.dtype
    assert torch.isfinite(found).all()
    assert torch.equal(rows, before)


@pytest.mark.parametrize("change", ALTERED)
def test_copies_come_from_the_generator_alone(change):
    rows = windows()
    assert torch.equal(altered(change, rows, 1), altered(change, rows, 1))
    assert not torch.equal(altered(change, rows, 1), altered(change, rows, 2))


@pytest.mark.parametrize("view", [Jitter(0.3), Warp(0.3)])
def test_a_row_is_altered_as_the_only_channel_of_its_window(view):
    rows = windows()
    expected = view(rows.unsqueeze(1), torch.Generator().manual_seed(4))[:, 0]
    assert torch.equal(altered(WindowView(view), rows, 4), expected)


def test_a_negative_is_the_window_with_an_injection():
    rows = windows()
    expected = inject(SINGLE_CHANNEL_KINDS, rows[:, None], rows[:, None], torch.Generator().manual_seed(4)).copies
    assert torch.equal(altered(InjectedWindow(), rows, 4), expected[:, 0])


@pytest.mark.parametrize("shape", ["wave", "pulses", "noise"])
def test_both_views_of_a_window_are_nearer_than_it_is_to_its_injected_copy(shape):
    rows = windows(shape)
    encoder = KernelResidual(32, 60)
    encoder.standardise(rows)
    first, second, strange = (encoder(altered(change, rows)).detach() for change in ALTERED)
    itself = encoder(rows).detach()
    differs = (altered(InjectedWindow(), rows) != rows).any(dim=1)
    nearer = (first - second).norm(dim=1)[differs] < (itself - strange).norm(dim=1)[differs]
    assert nearer.float().mean() > 0.7
