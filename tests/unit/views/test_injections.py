import pytest
import torch

from anomaly_cl.errors import UsageError
from anomaly_cl.views.injections import (
    BANK_SAMPLE,
    CutPaste,
    Decorrelate,
    Flatten,
    Flip,
    NoiseBurst,
    ScaleStretch,
    Shift,
    SpeedWarp,
    Spike,
    SwapChannels,
    Trend,
    inject,
    injections_for,
)
from anomaly_cl.views.sizes import usual_spread
from anomaly_cl.views.stretches import Lengths, chosen_channels

KINDS = injections_for(3)
WHOLE = Lengths(shortest=10**6)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def windows_of(n, channels=3, points=40, seed=0):
    return torch.randn(n, channels, points, generator=generator(seed))


def altered_stretches(windows, copies):
    """Pairs (before, after) of each altered channel, from its first to its last altered point."""
    for before, after in zip(windows.flatten(0, 1), copies.flatten(0, 1), strict=True):
        where = (before != after).nonzero().flatten()
        if len(where):
            yield before[where[0] : where[-1] + 1], after[where[0] : where[-1] + 1]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(0, 2, 8), (1, 2, 1), (3, 2, 2), (20, 3, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_injection_keeps_shape_and_type_and_never_its_inputs(kind, shape, dtype):
    windows, bank = windows_of(*shape).to(dtype), windows_of(7, *shape[1:], seed=1).to(dtype)
    before = windows.clone(), bank.clone()
    copies = kind(windows, bank, generator())
    assert copies.shape == windows.shape
    assert copies.dtype == dtype
    assert copies.isfinite().all()
    copies.fill_(99)
    assert torch.equal(windows, before[0])
    assert torch.equal(bank, before[1])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_injection_follows_its_generator_and_nothing_else(kind):
    windows, bank, before = windows_of(20), windows_of(30, seed=1), torch.get_rng_state()
    assert torch.equal(kind(windows, bank, generator(1)), kind(windows, bank, generator(1)))
    assert not torch.equal(kind(windows, bank, generator(1)), kind(windows, bank, generator(2)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_window_s_copy_does_not_depend_on_the_other_windows(kind):
    windows, bank = windows_of(20), windows_of(30, seed=1)
    others = windows_of(20, seed=5) * 100
    others[7] = windows[7]
    assert torch.equal(kind(windows, bank, generator())[7], kind(others, bank, generator())[7])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_window_of_noise_is_altered_and_in_one_stretch_that_channels_share(kind):
    windows, bank = windows_of(400, points=30), windows_of(50, points=30, seed=1)
    altered = kind(windows, bank, generator()) != windows
    assert altered.flatten(1).any(dim=1).all()
    longest = max(kind.lengths.shortest, int(kind.lengths.longest * 30))
    for window in altered.any(dim=1):
        where = window.nonzero().flatten()
        assert where[-1] - where[0] < longest


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_constant_windows_give_finite_copies(kind):
    windows = torch.full((50, 3, 20), 0.1)
    copies = kind(windows, windows, generator())
    assert copies.isfinite().all()
    adds = isinstance(kind, Spike | Shift | Trend | NoiseBurst)
    assert torch.equal((copies != windows).flatten(1).any(dim=1), torch.full((50,), adds))


def test_a_single_channel_is_chosen_half_of_the_time_and_each_as_often():
    chosen = chosen_channels(20_000, 4, generator())
    counts = chosen.sum(dim=1).bincount(minlength=5) / 20_000
    torch.testing.assert_close(counts, torch.tensor([0, 1 / 2, 1 / 6, 1 / 6, 1 / 6]), atol=0.02, rtol=0)
    share = chosen.float().mean(dim=0)
    torch.testing.assert_close(share, share.mean().expand(4), atol=0.02, rtol=0)
    assert chosen_channels(10, 1, generator()).all()


def test_lengths_reach_from_the_shortest_to_the_longest_and_fit_the_window():
    lengths = Lengths(3, 0.5).draw(5000, 40, generator())
    assert (int(lengths.min()), int(lengths.max())) == (3, 20)
    assert Lengths(3, 0.5).draw(5, 2, generator()).tolist() == [2] * 5


@pytest.mark.parametrize("kind", [Spike(2, 4), Shift(2, 4)], ids=str)
def test_spikes_and_shifts_add_a_constant_of_the_stated_size(kind):
    windows = windows_of(200).double()
    copies = kind(windows, windows, generator())
    added = copies - windows
    steps = (added / usual_spread(windows, windows))[added != 0]
    assert 1.99 < steps.abs().min() < 2.2
    assert 3.8 < steps.abs().max() < 4.01
    assert (steps > 0).any()
    assert (steps < 0).any()
    for before, after in altered_stretches(windows, copies):
        torch.testing.assert_close(after - before, (after - before)[:1].expand_as(after))


def test_a_trend_grows_evenly_to_its_size_at_the_last_point():
    windows = windows_of(200).double()
    for before, after in altered_stretches(windows, Trend(1, 2)(windows, windows, generator())):
        added = after - before
        torch.testing.assert_close(added, added[-1] * torch.arange(1, len(added) + 1).double() / len(added))


def test_a_noise_burst_has_the_stated_spread_and_no_lift():
    windows = windows_of(200, channels=1, points=500).double()
    added = (NoiseBurst(2, 2, WHOLE)(windows, windows, generator()) - windows) / usual_spread(windows, windows)
    assert float(added.std()) == pytest.approx(2, rel=0.02)
    assert float(added.mean()) == pytest.approx(0, abs=0.05)


def test_a_flip_is_backwards_in_time_or_a_mirror_about_the_mean():
    windows = windows_of(100, channels=1).double()
    copies = Flip(WHOLE)(windows, windows, generator())
    backwards = (copies == windows.flip(2)).flatten(1).all(dim=1)
    mirrored = (copies - (2 * windows.mean(dim=2, keepdim=True) - windows)).abs().flatten(1).amax(dim=1) < 1e-9
    assert torch.equal(backwards, ~mirrored)
    assert 30 < int(backwards.sum()) < 70


def test_the_same_flip_twice_gives_the_windows_back():
    windows = windows_of(100).double()
    once = Flip()(windows, windows, generator())
    torch.testing.assert_close(Flip()(once, windows, generator()), windows)


def test_cut_and_paste_takes_a_stretch_of_the_bank_from_another_place():
    windows, bank = -torch.ones(300, 2, 30), torch.arange(30.0).expand(5, 2, -1)
    copies = CutPaste()(windows, bank, generator())
    place = torch.arange(30.0).expand_as(copies)
    pasted = copies >= 0
    assert (copies != place)[pasted].all()
    for _, after in altered_stretches(windows, copies):
        assert (after.diff() == 1).all()


def test_donors_of_the_bank_are_all_used():
    windows, bank = -torch.ones(300, 2, 8), torch.arange(5.0).view(5, 1, 1).expand(5, 2, 8)
    for kind in (CutPaste(), Decorrelate()):
        assert set(kind(windows, bank, generator()).unique().tolist()) == {-1, 0, 1, 2, 3, 4}


def test_a_speed_warp_plays_faster_or_slower_from_the_stretch_s_first_point():
    clock = torch.arange(400.0).expand(300, 1, -1).double()
    copies = SpeedWarp(2, 3, Lengths(6, 0.1))(clock, clock, generator())
    seen = []
    for before, after in altered_stretches(clock, copies):
        speed = (after[0] - (before[0] - 1))
        if after[0] + speed * len(after) < 399:
            torch.testing.assert_close(after, before[0] - 1 + speed * torch.arange(1, len(after) + 1).double())
            seen.append(float(speed))
    fast = [speed for speed in seen if speed > 1]
    slow = [speed for speed in seen if speed < 1]
    assert min(fast) >= 1.999
    assert max(fast) <= 3.001
    assert min(slow) >= 0.333
    assert max(slow) <= 0.501
    assert copies.min() >= 0
    assert copies.max() <= 399


def test_a_fast_stretch_turns_back_at_the_window_s_ends():
    clock = torch.arange(5.0).double().expand(50, 1, -1)
    copies = SpeedWarp(3, 3, WHOLE)(clock, clock, generator()).squeeze(1)
    fast = copies[copies[:, 1] > 1]
    torch.testing.assert_close(fast, torch.tensor([0, 3, 2, 1, 4.0]).double().expand_as(fast))


def test_scaling_keeps_the_stretch_s_mean_and_multiplies_its_swing():
    windows = windows_of(200).double()
    ratios = []
    for before, after in altered_stretches(windows, ScaleStretch(2, 3)(windows, windows, generator())):
        torch.testing.assert_close(after.mean(), before.mean())
        ratios.append(float(after.std() / before.std()))
    assert all(1.99 < max(ratio, 1 / ratio) < 3.01 for ratio in ratios)
    assert min(ratios) < 1 < max(ratios)


def test_a_flat_stretch_is_constant_at_its_first_value_or_its_mean():
    windows = windows_of(200, channels=1).double()
    copies = Flatten(WHOLE)(windows, windows, generator()).squeeze(1)
    assert torch.equal(copies, copies[:, :1].expand_as(copies))
    frozen = copies[:, 0] == windows[:, 0, 0]
    torch.testing.assert_close(copies[~frozen, 0], windows[~frozen, 0].mean(dim=1))
    assert 70 < int(frozen.sum()) < 130


def test_decorrelation_replaces_one_channel_by_the_same_stretch_of_the_bank():
    windows, bank = -torch.ones(300, 3, 30), torch.arange(30.0).expand(5, 3, -1)
    copies = Decorrelate()(windows, bank, generator())
    pasted = copies >= 0
    assert (pasted.any(dim=2).sum(dim=1) == 1).all()
    assert torch.equal(copies[pasted], torch.arange(30.0).expand_as(copies)[pasted])
    assert pasted.any(dim=2).any(dim=0).all()


def test_a_swap_exchanges_two_channels_over_one_stretch():
    windows = torch.arange(4.0).view(1, 4, 1).expand(300, 4, 20)
    copies = SwapChannels()(windows, windows, generator())
    assert torch.equal(copies.sort(dim=1).values, windows)
    altered = copies != windows
    assert (altered.any(dim=2).sum(dim=1) == 2).all()
    assert set(altered.sum(dim=1).unique().tolist()) == {0, 2}


def test_the_same_swap_twice_gives_the_windows_back():
    windows = windows_of(50)
    once = SwapChannels()(windows, windows, generator())
    assert torch.equal(SwapChannels()(once, windows, generator()), windows)


def test_kinds_of_several_channels_are_left_out_for_one_and_refuse_it():
    assert set(injections_for(2)) - set(injections_for(1)) == {Decorrelate(), SwapChannels()}
    for kind in (Decorrelate(), SwapChannels()):
        with pytest.raises(UsageError, match="several channels"):
            kind(windows_of(5, channels=1), windows_of(5, channels=1), generator())


def test_the_usual_spread_is_the_window_s_own_raised_to_a_tenth_of_that_within_the_bank_s_windows():
    bank = windows_of(50, channels=2).double() * torch.tensor([[5.0], [0.0]])
    windows = torch.stack([bank[0], torch.zeros(2, 40)])
    one, within = torch.ones(()).double(), bank[:, 0].var(dim=1, correction=0).mean().sqrt()
    expected = torch.stack([bank[0, 0].std(correction=0), one, within / 10, one]).view(2, 2, 1)
    drift = 1000 * torch.arange(50).view(-1, 1, 1)
    torch.testing.assert_close(usual_spread(windows, bank), expected)
    torch.testing.assert_close(usual_spread(windows, bank + drift), expected)


def test_of_a_large_bank_a_random_sample_is_used():
    windows, bank = -torch.ones(4000, 1, 8), torch.arange(2.0 * BANK_SAMPLE).view(-1, 1, 1).expand(-1, 1, 8)
    used = inject((CutPaste(),), windows, bank, generator()).copies.unique()
    assert 900 < len(used) <= BANK_SAMPLE + 1
    assert used.max() > 2 * BANK_SAMPLE - 20


@pytest.mark.parametrize("n", [0, 1, 5, 11, 100])
def test_each_kind_makes_a_nearly_equal_share(n):
    kinds = tuple(lambda windows, bank, generator, k=k: torch.full_like(windows, k) for k in range(1, 12))
    copies, altered = inject(kinds, torch.zeros(n, 2, 8), torch.zeros(1, 2, 8), generator())
    shares = copies[:, 0, 0].long().bincount(minlength=12)[1:]
    assert int(shares.max() - shares.min()) <= 1
    assert altered.all()


def test_injected_copies_stand_in_their_windows_order_and_tell_what_was_altered():
    windows = windows_of(60) + 100 * torch.arange(60).view(-1, 1, 1)
    before = windows.clone()
    copies, altered = inject((Spike(1, 2), Flip(), Shift(1, 2)), windows, windows, generator())
    assert torch.equal(windows, before)
    assert (copies - windows).abs().max() < 20
    assert torch.equal(torch.where(altered, windows, copies), windows)
    assert (copies != windows)[altered].all()
    assert altered.flatten(1).any(dim=1).all()
    assert not altered.flatten(1).all(dim=1).all()


def test_even_a_single_window_meets_every_kind_in_time():
    windows = windows_of(1)
    kinds = (Spike(9, 9), Flatten(WHOLE))
    counts = [int(inject(kinds, windows, windows, generator(seed)).altered.any(dim=1).sum()) for seed in range(20)]
    assert {count > 20 for count in counts} == {True, False}


@pytest.mark.parametrize("make", [
    lambda: Spike(0, 1), lambda: Shift(2, 1), lambda: Trend(1, float("inf")), lambda: NoiseBurst(-1, 1),
    lambda: SpeedWarp(1, 2), lambda: ScaleStretch(0.5, 2), lambda: Lengths(0), lambda: Lengths(1, 0),
    lambda: Lengths(1, 1.5), lambda: injections_for(0),
])  # fmt: skip
def test_impossible_settings_are_refused(make):
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("bank", [torch.zeros(0, 3, 40), torch.zeros(5, 2, 40), torch.zeros(5, 3, 39)], ids=str)
def test_a_bank_that_does_not_fit_is_refused(bank):
    with pytest.raises(UsageError, match="bank"):
        inject(KINDS, windows_of(5), bank, generator())


def test_no_kinds_and_no_windows_are_refused():
    with pytest.raises(UsageError, match="at least one kind"):
        inject((), windows_of(5), windows_of(5), generator())
    with pytest.raises(UsageError, match="n, channels, points"):
        inject(KINDS, torch.zeros(5, 40), torch.zeros(5, 40), generator())
