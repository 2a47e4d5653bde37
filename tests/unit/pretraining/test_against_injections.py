from dataclasses import replace

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.series import KernelResidual
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.fit import TrainingSettings, contrast_injections
from anomaly_cl.pretraining.injections import AgainstInjections, InjectionsSettings
from anomaly_cl.views.injections import inject, injections_for

WIDTH = 24


def windows(n, first=0, seed=0):
    """Centred windows (n, WIDTH), a step apart, of a wave with noise."""
    steps = first + np.arange(n + WIDTH)
    wave = np.sin(steps / 2) + 0.2 * np.random.default_rng(seed).normal(size=len(steps))
    cut = np.lib.stride_tricks.sliding_window_view(wave, WIDTH)[:n]
    return (cut - cut.mean(axis=1, keepdims=True)).astype(np.float32)


ROWS, HELD_OUT = windows(400), windows(150, 1_000, 1)
OWN = InjectionsSettings(np.arange(400), WIDTH, kernels=40, copies=800)
QUICK = TrainingSettings(max_steps=60, steps_per_epoch=20, encoder_width=32)


@pytest.fixture(scope="module")
def trained():
    return contrast_injections(ROWS, HELD_OUT, OWN, seed=0, settings=QUICK)


@pytest.fixture(scope="module")
def untrained():
    encoder = KernelResidual(WIDTH, OWN.kernels, 32)
    encoder.standardise(torch.tensor(ROWS))
    return encoder.eval()


def prepared(own=OWN, rows=ROWS):
    module = AgainstInjections.from_settings(torch.arange(WIDTH), replace(QUICK, method=own), 0)
    module.prepare(torch.tensor(rows), torch.Generator().manual_seed(0))
    return module


def nearest(encoder, rows):
    return torch.cdist(*(torch.tensor(embed(encoder, each)) for each in (rows, ROWS))).amin(dim=1).numpy()


def contrast(encoder):
    """How much farther held-out windows get by injections, on the log scale, as the distances of a score see it."""
    held_out = torch.tensor(HELD_OUT)
    strange = inject(injections_for(1), held_out.unsqueeze(1), held_out.unsqueeze(1), torch.Generator().manual_seed(3))
    altered = strange.altered.flatten(1).any(dim=1).numpy()
    far = nearest(encoder, strange.copies.squeeze(1).numpy()[altered])
    return np.log(far).mean() - np.log(nearest(encoder, HELD_OUT)).mean()


def test_training_moves_every_parameter_and_no_kernel(trained, untrained):
    before, after = untrained.state_dict(), trained.encoder.state_dict()
    for name in ("first.weight", "first.bias", "last.weight", "last.bias"):
        assert not torch.equal(before[name], after[name])
    for dilation in untrained.dilations:
        assert torch.equal(before[f"kernels_{dilation}"], after[f"kernels_{dilation}"])
    assert torch.equal(before["feature_means"], after["feature_means"])


def test_injected_anomalies_in_windows_not_seen_are_farther_after_training(trained, untrained):
    assert contrast(trained.encoder) > contrast(untrained) + 0.25
    assert trained.history[-1]["val_loss"] < trained.history[0]["val_loss"]
    assert trained.best_epoch is None


def test_the_distances_of_a_trained_encoder_all_differ(trained):
    distances = nearest(trained.encoder, HELD_OUT)
    assert len(np.unique(distances)) == len(distances)
    assert distances.std() > 0.01 * distances.mean()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(trained):
    torch.manual_seed(99)
    again = contrast_injections(ROWS, HELD_OUT, OWN, seed=0, settings=QUICK)
    other = contrast_injections(ROWS, HELD_OUT, OWN, seed=1, settings=QUICK)
    np.testing.assert_array_equal(embed(again.encoder, HELD_OUT), embed(trained.encoder, HELD_OUT))
    assert again.history == trained.history
    assert not np.allclose(embed(other.encoder, HELD_OUT), embed(trained.encoder, HELD_OUT))


def test_other_kernels_give_other_features():
    first, second = (prepared(replace(OWN, kernel_seed=seed)).bank_features for seed in (0, 1))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("apart", [WIDTH, 3 * WIDTH, 250])
def test_positives_never_overlap_their_anchor(apart):
    module = prepared(replace(OWN, apart=apart))
    anchors = torch.arange(len(ROWS)).repeat(5)
    positives, found = module._positives(anchors, torch.Generator().manual_seed(1))
    far = (module.places[anchors] - module.places[positives]).abs() >= apart
    assert torch.equal(found, far)
    assert found.any()
    lonely = (OWN.places < apart) & (OWN.places >= len(ROWS) - apart)
    assert not found.numpy()[np.tile(lonely, 5)].any()


def test_positives_are_the_nearest_windows_apart_by_the_double_loop():
    module = prepared(replace(OWN, bank_rows=100, neighbours=3))
    features, places = module.bank_features.double(), module.places
    for i in range(0, 100, 9):
        squared = (features - features[i]).square().sum(dim=1)
        squared[(places - places[i]).abs() < WIDTH] = torch.inf
        assert set(module.near[i].tolist()) == set(squared.argsort()[:3].tolist())


def test_the_anchor_is_the_window_nearest_to_the_strange_copy():
    module = prepared()
    strange = module._strange(torch.tensor(HELD_OUT), torch.Generator().manual_seed(2))
    assert torch.equal(strange.anchor, torch.cdist(strange.features, module.bank_features).argmin(dim=1))


def test_a_large_bank_is_thinned_evenly():
    module = prepared(replace(OWN, bank_rows=50))
    assert len(module.bank) == 50
    assert module.places[0] == 0
    assert module.places[-1] == 399
    assert np.ptp(np.diff(module.places.numpy())) <= 1


def test_copies_like_their_window_and_anchors_without_a_positive_teach_nothing():
    module = prepared(replace(OWN, apart=10_000))
    loss = module.contrastive_loss(torch.tensor(HELD_OUT), torch.Generator().manual_seed(0))
    assert loss == 0


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_windows_leave_the_untrained_kernels(n):
    own = replace(OWN, places=np.arange(n))
    result = contrast_injections(ROWS[:n], ROWS[:n], own, seed=0, settings=QUICK)
    assert not result.trained
    assert isinstance(result.encoder, KernelResidual)
    features = result.encoder.features(torch.tensor(HELD_OUT))
    np.testing.assert_allclose(embed(result.encoder, HELD_OUT), features, atol=1e-4)
    if n > 1:
        np.testing.assert_allclose(embed(result.encoder, ROWS[:n]).mean(axis=0), 0, atol=1e-3)


def test_windows_that_are_all_alike_leave_the_untrained_kernels():
    alike = np.zeros((60, WIDTH), np.float32)
    assert not contrast_injections(alike, alike, replace(OWN, places=np.arange(60)), seed=0, settings=QUICK).trained


def test_each_window_needs_a_place():
    with pytest.raises(UsageError, match="place"):
        contrast_injections(ROWS[:50], HELD_OUT, OWN, seed=0, settings=QUICK)


@pytest.mark.parametrize("wrong", [{"apart": 0}, {"kinds": ()}, {"neighbours": 0}, {"copies": 0}, {"bank_rows": 0},
                                   {"places": np.zeros((4, 2))}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError, match="injections"):
        replace(OWN, **wrong)
