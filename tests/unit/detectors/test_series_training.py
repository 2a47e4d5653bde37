import numpy as np
import pytest
from made_up_series import QUICK, waves

from anomaly_cl.detectors import series_training
from anomaly_cl.detectors.series_training import SeriesTraining, Stretch, parts_of, train_members
from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.series import KernelResidual
from anomaly_cl.features.windows import WindowPlan
from anomaly_cl.pretraining.fit import PretrainResult

pytestmark = pytest.mark.usefixtures("few_kernels")

PLAN = WindowPlan(10)


@pytest.mark.parametrize("members", [2, 3, 5])
def test_parts_are_equal_shares_in_order_of_time(members):
    parts = np.concatenate(parts_of([40, 7, 53], members))
    assert (np.diff(parts) >= 0).all()
    assert np.ptp(np.bincount(parts, minlength=members)) <= 1


def test_a_single_member_leaves_out_a_half():
    assert parts_of([3, 1], 1)[0].tolist() == [0, 0, 1]
    assert parts_of([3, 1], 1)[1].tolist() == [1]


@pytest.fixture
def learned(monkeypatch):
    """What the trainings of members are given: windows, and their places."""
    seen = []

    def remember(windows, held_out, own, **settings):
        seen.append((windows, own.places))
        return PretrainResult(KernelResidual(windows.shape[1], 4))

    monkeypatch.setattr(series_training, "contrast_injections", remember)
    return seen


@pytest.mark.parametrize("members", [1, 3])
def test_a_member_learns_from_no_step_that_shares_a_window_with_its_part(learned, members):
    lengths = [90, 120]
    numbers = np.split(np.arange(210.0), [90])  # each step has its own value, so that windows tell where they were
    stretches = [Stretch("a", each[:, None]) for each in numbers]
    found = train_members(stretches, np.array([True]), PLAN, SeriesTraining(members=members), 0, {})
    assert [member.part for member in found] == list(range(members))
    parts = parts_of(lengths, members)
    for member, (windows, places) in zip(found, learned, strict=True):
        expected = []
        for values, part in zip(numbers, parts, strict=True):
            for start in range(len(values) - 9):
                around = part[max(0, start - 10):start + 20]
                if not (around == member.part).any():
                    expected.append(values[start:start + 10] - values[start:start + 10].mean())
        np.testing.assert_allclose(windows, expected, atol=1e-4)
        assert len(places) == len(windows) > 50


def test_windows_of_different_series_and_channels_are_far_apart(learned):
    stretches = [Stretch("a", waves(60, 0, 2)), Stretch("b", waves(60, 1, 2))]
    train_members(stretches, np.array([True, True]), PLAN, SeriesTraining(members=2), 0, {})
    for _, places in learned:
        runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
        assert len(runs) == 2  # a half of the series: one entity, two channels
        assert runs[1][0] - runs[0][-1] >= PLAN.length


def test_missing_values_and_dead_channels_are_not_learned_from(learned):
    values = waves(100, 0, 3)
    values[5, 0], values[:, 2] = np.nan, 0
    train_members([Stretch("a", values)], np.array([True, False, False]), PLAN, SeriesTraining(members=2), 0, {})
    assert all(np.isfinite(windows).all() for windows, _ in learned)
    whole, holed = len(learned[0][0]), len(learned[1][0])
    assert holed == whole - 6


def test_long_series_are_thinned_evenly(learned, monkeypatch):
    monkeypatch.setattr(series_training, "MOST_WINDOWS", 20)
    train_members([Stretch("a", waves(200))], np.array([True]), PLAN, SeriesTraining(members=1), 0, {})
    windows, places = learned[0]
    assert len(windows) == 20
    assert np.ptp(np.diff(places)) <= 1


def test_nothing_is_trained_without_members_or_channels_that_move():
    stretches = [Stretch("a", waves(100))]
    assert train_members(stretches, np.array([True]), PLAN, SeriesTraining(members=0), 0, {}) == []
    assert train_members(stretches, np.array([False]), PLAN, SeriesTraining(), 0, {}) == []


@pytest.mark.parametrize("method", ["injections", "simclr"])
def test_members_of_each_method_are_trained_and_differ(method):
    training = SeriesTraining(method, 2, QUICK)
    stretches = [Stretch("a", waves(160))]
    members = train_members(stretches, np.array([True]), PLAN, training, 0, {})
    assert all(isinstance(member.encoder, Encoder) for member in members)
    weights = [member.encoder.last.weight for member in members]
    assert all(weight.abs().sum() > 0 for weight in weights)  # it starts at zero
    assert not (weights[0] == weights[1]).all()
