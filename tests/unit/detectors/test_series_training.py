from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_series import QUICK, waves
from numpy.testing import assert_allclose

from anomaly_cl.detectors import series_training
from anomaly_cl.detectors.series_training import SeriesTraining, Stretch, parts_of, train_members
from anomaly_cl.encoders.series import DilatedTCN, KernelResidual
from anomaly_cl.features.windows import WindowPlan
from anomaly_cl.losses.triplet import batch_hard
from anomaly_cl.pretraining.fit import PretrainResult
from anomaly_cl.pretraining.triplet import TripletSettings
from anomaly_cl.views.tabular import Compose
from anomaly_cl.views.windows import WINDOW_VIEWS, InjectedWindow

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


@pytest.mark.parametrize("encoder", ["kernels", "tcn"])
@pytest.mark.parametrize("method", ["injections", "simclr", "moco", "swav", "triplet", "clip"])
def test_members_of_each_method_are_trained_and_differ(method, encoder):
    training = SeriesTraining(method, 2, QUICK, encoder=encoder)
    members = train_members([Stretch("a", waves(160))], np.array([True]), PLAN, training, 0, {})
    encoders = [member.encoder for member in members]
    if method == "clip":
        assert {each.kind for each in encoders} == {encoder}
        encoders = [each.tower_b for each in encoders]
    assert all(isinstance(each, {"kernels": KernelResidual, "tcn": DilatedTCN}[encoder]) for each in encoders)
    weights = [each.last.weight for each in encoders]
    assert all(weight.abs().sum() > 0 for weight in weights)  # it starts at zero
    assert not (weights[0] == weights[1]).all()


@pytest.mark.parametrize("method", ["simclr", "clip"])
def test_kernels_are_standardised_on_the_windows_of_training(method):
    training = SeriesTraining(method, 1, replace(QUICK, max_steps=1))
    stretches = [Stretch("a", waves(160))]
    encoder = train_members(stretches, np.array([True]), PLAN, training, 0, {})[0].encoder
    learned = waves(160)[90:, 0]  # a window's length beyond the half that is left out
    windows = np.lib.stride_tricks.sliding_window_view(learned, 10)
    windows = torch.tensor(windows - windows.mean(axis=1, keepdims=True), dtype=torch.float32)
    part, half = (encoder, windows) if method == "simclr" else (encoder.tower_a, windows[:, :5])
    features = part.features(half)
    assert_allclose(features.mean(dim=0), 0, atol=1e-3)
    assert_allclose(features.std(dim=0, correction=0), 1, atol=0.1)  # the least spread is added


def test_without_rows_to_contrast_the_encoder_is_the_untrained_one():
    training = SeriesTraining("simclr", 1, QUICK, encoder="tcn")
    encoder = train_members([Stretch("a", waves(30))], np.array([True]), PLAN, training, 0, {})[0].encoder
    assert isinstance(encoder, DilatedTCN)
    assert not encoder.last.weight.any()


def test_methods_have_windows_in_place_of_table_rows(monkeypatch):
    seen = {}

    def remember(method, windows, held_out, column_of, *, settings, **more):
        seen[method] = settings
        return PretrainResult(settings.encoder)

    monkeypatch.setattr(series_training, "pretrain", remember)
    own, as_they_are = TripletSettings(mining=batch_hard), replace(QUICK, views=(Compose(), Compose()))
    for method, settings in [("simclr", QUICK), ("triplet", None), ("moco", as_they_are), ("swav", None)]:
        train_members([Stretch("a", waves(160))], np.array([True]), PLAN, SeriesTraining(method, 1, settings), 0, {})
    assert seen["simclr"] == replace(QUICK, views=WINDOW_VIEWS, encoder=seen["simclr"].encoder)
    assert seen["moco"].views == (Compose(), Compose())
    assert seen["triplet"].method == TripletSettings(negatives=(InjectedWindow(),))
    assert seen["swav"].encoder.width == 128
    train_members([Stretch("a", waves(160))], np.array([True]), PLAN,
                  SeriesTraining("triplet", 1, replace(QUICK, method=own)), 0, {})
    assert seen["triplet"].method is own
