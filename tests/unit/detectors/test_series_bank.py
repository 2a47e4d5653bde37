from itertools import pairwise

import numpy as np
import pytest
from made_up_series import WINDOW, waves
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.detectors import series_bank
from anomaly_cl.detectors.series_bank import ChannelStretch, chosen_banks, judged_steps, own_means
from anomaly_cl.detectors.series_heads import centred
from anomaly_cl.features.windows import WindowPlan

PLAN = WindowPlan(WINDOW, 3)
LONG = waves(700)[:, 0]


def holed(values):
    values = values.copy()
    values[200:203] = np.nan
    return values


@pytest.fixture
def small(monkeypatch):
    """Banks and budgets of a few windows, so that a short series is a long one."""
    monkeypatch.setattr(series_bank, "BANK_WINDOWS", 40)
    monkeypatch.setattr(series_bank, "JUDGED_WINDOWS", 120)
    monkeypatch.setattr(series_bank, "PIECE", 3)
    monkeypatch.setattr(series_bank, "CHUNK_WINDOWS", 13)


def slow_means(stretches, bank, wanted, plan=PLAN):
    """Mean over the measured windows that cover a wanted step of the distance to the nearest of the bank elsewhere."""
    found = []
    for number, (stretch, asked) in enumerate(zip(stretches, wanted, strict=True)):
        starts = plan.starts(len(stretch.values))
        windows = plan.cut(stretch.values, starts)
        means = np.full(len(stretch.values), np.nan)
        for step in np.flatnonzero(asked):
            distances = []
            for start, window in zip(starts, windows, strict=True):
                if start <= step < start + WINDOW and not np.isnan(window).any():
                    apart = (bank.stretch != number) | (np.abs(bank.starts - start) >= WINDOW)
                    rows = centred(bank.windows[apart]).astype(float)
                    distances.append(np.linalg.norm(rows - centred(window[None]).astype(float), axis=1).min())
            means[step] = np.mean(distances) if distances else np.nan
        found.append(means)
    return found


@pytest.mark.parametrize("stretches", [
    [ChannelStretch("", holed(LONG))],
    [ChannelStretch("a", LONG[:300]), ChannelStretch("b", holed(LONG[:260])), ChannelStretch("a", LONG[300:])],
])
@pytest.mark.parametrize(("stride", "judging"), [(3, 3), (1, 2)])  # of a window's 24 steps, about ten are judged
def test_steps_of_a_thinned_series_are_measured_beside_its_bank_as_by_the_loop(small, stretches, stride, judging):
    plan = WindowPlan(WINDOW, stride)
    banks = chosen_banks(plan, stretches)
    measured = [(stretch.entity, ~np.isnan(stretch.values)) for stretch in stretches]
    wanted = judged_steps(measured, plan)
    found = own_means(plan, centred, banks, stretches, wanted)
    for name in {stretch.entity for stretch in stretches}:
        bank = banks.get(name, banks[""])
        assert not bank.whole
        expected = slow_means(stretches, bank, wanted, WindowPlan(WINDOW, judging))
        for stretch, mine, slow in zip(stretches, found, expected, strict=True):
            if stretch.entity == name:
                assert_allclose(mine, slow, rtol=1e-5, atol=1e-6)


def test_a_bank_that_holds_all_windows_speaks_for_all_steps():
    stretches = [ChannelStretch("", holed(LONG))]
    banks = chosen_banks(PLAN, stretches)
    assert banks[""].whole
    nothing = [np.zeros(len(LONG), bool)]
    found = own_means(PLAN, centred, banks, stretches, nothing)
    assert_allclose(found, slow_means(stretches, banks[""], [np.ones(len(LONG), bool)]), rtol=1e-5, atol=1e-6)


def test_an_entity_without_a_bank_is_measured_beside_the_pooled_one(small):
    stretches = [ChannelStretch("long", LONG), ChannelStretch("short", waves(40, 3)[:, 0])]
    banks = chosen_banks(PLAN, stretches)
    assert set(banks) == {"long", ""}
    wanted = [np.ones(len(stretch.values), bool) for stretch in stretches]
    found = own_means(PLAN, centred, banks, stretches, wanted)[1]
    assert_allclose(found, slow_means(stretches, banks[""], wanted)[1], rtol=1e-5, atol=1e-6)


def test_short_series_are_judged_at_all_steps():
    assert all(steps.all() for steps in judged_steps([("a", ~np.isnan(holed(LONG))), ("b", np.ones(9, bool))], PLAN))


@pytest.mark.parametrize("missing", [False, True])
def test_long_series_are_judged_in_pieces_evenly_spread_over_what_is_measured(small, missing):
    measured = np.ones(3_000, bool)
    measured[:1_500] = not missing
    judged = judged_steps([("", measured[:900]), ("", measured[900:])], PLAN)
    assert [len(steps) for steps in judged] == [900, 2_100]
    steps = np.concatenate(judged)
    assert not steps[~measured].any()
    at = np.flatnonzero(steps)
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    assert {len(run) for run in runs} == {3 * WINDOW}
    assert np.ptp([b[0] - a[0] for a, b in pairwise(runs)]) <= 1
    assert 0.6 < len(runs) * 4 * WINDOW / (120 * PLAN.stride) <= 1  # of the budget, with what covers the ends
    assert measured.nonzero()[0][-1] - runs[-1][-1] < runs[1][0] - runs[0][0]


def test_each_of_many_entities_is_judged_as_far_as_its_bank_reaches(small):
    judged = judged_steps([(name, np.ones(1_000, bool)) for name in "abcdefgh"] + [("i", np.ones(100, bool))], PLAN)
    assert judged[8].all()
    shares = {steps.sum() for steps in judged[:8]}
    assert len(shares) == 1
    assert 0 < shares.pop() <= 40 * PLAN.stride


def test_windows_of_a_bank_are_those_of_all_windows_at_once(small):
    stretches = [ChannelStretch("a", LONG[:300]), ChannelStretch("b", holed(LONG[:260])),
                 ChannelStretch("a", LONG[300:])]
    for name, bank in chosen_banks(PLAN, stretches).items():
        every = [(number, start, window) for number, stretch in enumerate(stretches) if name in (stretch.entity, "")
                 for start, window in zip(PLAN.starts(len(stretch.values)), PLAN.cut(
                     stretch.values, PLAN.starts(len(stretch.values))), strict=True) if not np.isnan(window).any()]
        kept = [every[i] for i in np.linspace(0, len(every) - 1, min(len(every), 40)).astype(int)]
        assert_array_equal(bank.stretch, [number for number, _, _ in kept])
        assert_array_equal(bank.starts, [start for _, start, _ in kept])
        assert_array_equal(bank.windows, [window for _, _, window in kept])
