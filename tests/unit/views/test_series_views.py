import numpy as np
import pytest
import torch

from anomaly_cl.errors import UsageError
from anomaly_cl.views.series import Compose, Crop, Jitter, MaskPoints, Scale, Warp

VIEWS = (Jitter(), Crop(), MaskPoints(), Scale(), Warp(), Compose((Jitter(), Warp(), MaskPoints())))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def windows_of(n, channels=3, points=40, seed=0):
    return torch.randn(n, channels, points, generator=generator(seed))


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("shape", [(0, 2, 8), (1, 1, 1), (2, 3, 2), (20, 1, 40), (20, 3, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_view_keeps_shape_and_type_and_never_its_input(view, shape, dtype):
    windows = windows_of(*shape).to(dtype)
    before = windows.clone()
    altered = view(windows, generator())
    assert altered.shape == windows.shape
    assert altered.dtype == dtype
    assert altered.isfinite().all()
    altered.fill_(99)
    assert torch.equal(windows, before)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_view_follows_its_generator_and_nothing_else(view):
    windows, before = windows_of(20), torch.get_rng_state()
    assert torch.equal(view(windows, generator(1)), view(windows, generator(1)))
    assert not torch.equal(view(windows, generator(1)), view(windows, generator(2)))
    assert not torch.equal(view(windows, generator(1)), windows)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_window_s_view_does_not_depend_on_the_other_windows(view):
    windows = windows_of(20)
    others = windows_of(20, seed=5) * 100
    others[7] = windows[7]
    assert torch.equal(view(windows, generator())[7], view(others, generator())[7])


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_constant_window_stays_as_it_is(view):
    windows = torch.full((10, 2, 33), 0.1)
    assert torch.equal(view(windows, generator()), windows)


@pytest.mark.parametrize("view", [Jitter(0), Crop(1), MaskPoints(0), Scale(0), Warp(0), Compose()], ids=str)
def test_a_view_of_no_strength_leaves_the_windows_as_they_are(view):
    windows = windows_of(10)
    torch.testing.assert_close(view(windows, generator()), windows)


def test_jitter_is_a_share_of_the_spread_of_each_channel():
    windows = windows_of(50, channels=2, points=400) * torch.tensor([[1.0], [1000.0]])
    noise = (Jitter(0.1)(windows, generator()) - windows).std(dim=(0, 2))
    torch.testing.assert_close(noise, torch.tensor([0.1, 100.0]), rtol=0.05, atol=0)


@pytest.mark.parametrize("view", [Crop(0.3), Warp(0.5)], ids=str)
def test_what_alters_time_equals_numpy_s_interpolation_at_the_times_that_a_clock_channel_shows(view):
    windows = windows_of(20, channels=2, points=30).double()
    windows[:, 0] = torch.arange(30.0)
    clock, values = view(windows, generator()).unbind(dim=1)
    pairs = zip(clock.numpy(), windows[:, 1].numpy(), strict=True)
    slow = [np.interp(at, np.arange(30), window) for at, window in pairs]
    np.testing.assert_allclose(values, np.stack(slow), rtol=1e-5, atol=1e-5)


def test_a_crop_runs_evenly_over_at_least_its_share_of_the_window():
    clock = Crop(0.5)(torch.arange(41.0).expand(500, 1, -1), generator()).squeeze(1)
    speed = clock.diff(dim=1)
    torch.testing.assert_close(speed, speed[:, :1].expand_as(speed), rtol=0, atol=1e-4)
    assert speed.min() >= 0.499
    assert speed.min() < 0.52
    assert speed.max() > 0.98
    assert clock.min() >= 0
    assert clock.max() <= 40


def test_a_warp_keeps_the_ends_and_the_order_of_time():
    clock = Warp(0.5)(torch.arange(41.0).expand(500, 1, -1), generator()).squeeze(1)
    assert (clock.diff(dim=1) > 0).all()
    assert (clock[:, 0] == 0).all()
    assert (clock[:, -1] == 40).all()
    assert (clock - torch.arange(41)).abs().max() > 3


def test_a_masked_stretch_is_bridged_as_numpy_would():
    windows = windows_of(300, channels=2, points=25)
    altered = MaskPoints(0.4)(windows, generator())
    longest = 0
    for before, after in zip(windows.flatten(0, 1).numpy(), altered.flatten(0, 1).numpy(), strict=True):
        hidden = np.flatnonzero(before != after)
        if len(hidden):
            longest = max(longest, len(hidden))
            kept = np.setdiff1d(np.arange(25), np.arange(hidden[0], hidden[-1] + 1))
            np.testing.assert_allclose(after, np.interp(np.arange(25), kept, before[kept]), rtol=1e-4, atol=1e-5)
    assert longest == 10


def test_masking_all_keeps_one_point():
    windows = windows_of(200, channels=1, points=6)
    kept = (MaskPoints(1)(windows, generator()) == windows).sum(dim=2)
    assert kept.min() == 1


def test_scaling_keeps_the_mean_and_the_shape():
    windows = windows_of(20).double() + 50
    altered = Scale(0.3)(windows, generator())
    torch.testing.assert_close(altered.mean(dim=2), windows.mean(dim=2))
    ratio = (altered - altered.mean(dim=2, keepdim=True)) / (windows - windows.mean(dim=2, keepdim=True))
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio), rtol=1e-6, atol=1e-6)


def test_composed_views_are_applied_in_turn():
    windows, one, other = windows_of(5), generator(), generator()
    composed = Compose((Jitter(0.2), Crop(0.5)))(windows, one)
    assert torch.equal(composed, Crop(0.5)(Jitter(0.2)(windows, other), other))


@pytest.mark.parametrize("make", [
    lambda: Jitter(-0.1), lambda: Jitter(float("nan")), lambda: Crop(0), lambda: Crop(1.1), lambda: MaskPoints(-0.1),
    lambda: MaskPoints(1.1), lambda: Scale(float("inf")), lambda: Warp(-1),
])  # fmt: skip
def test_impossible_settings_are_refused(make):
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("view", [*VIEWS, Compose()], ids=str)
@pytest.mark.parametrize("windows", [torch.zeros(3, 4), torch.zeros(3, 0, 4), torch.zeros(3, 2, 0),
                                     torch.zeros(3, 2, 4, dtype=torch.long)], ids=str)
def test_what_is_not_windows_is_refused(view, windows):
    with pytest.raises(UsageError, match="n, channels, points"):
        view(windows, generator())
