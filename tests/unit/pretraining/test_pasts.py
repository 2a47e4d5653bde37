import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.pasts import EntityHistory, RecordAndPast
from anomaly_cl.encoders.state import encoder_state
from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.losses.clip import clip_loss
from anomaly_cl.pretraining import fit
from anomaly_cl.pretraining.fit import TrainingSettings, contrast_pasts
from anomaly_cl.pretraining.pasts import TEMPERATURE, PastsCLIP, PastsSettings
from anomaly_cl.pretraining.simclr import SimCLRSettings

SMALL = TrainingSettings(max_steps=60, steps_per_epoch=20, batch_size=64, encoder_width=16)
PASTS = PastsSettings((0, 1, 1), 4)


def histories(n_entities=60, per_entity=10, seed=0):
    """Entities with a level of their own in the first column; the others are noise."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n_entities, per_entity, 3))
    columns[:, :, 0] = rng.normal(size=(n_entities, 1)) + 0.3 * columns[:, :, 0]
    place = np.arange(n_entities * per_entity).reshape(n_entities, per_entity, 1)
    past = place - 1 - np.arange(4)
    past = np.where(past >= place[:, :1], past, -1)
    return EntityHistory(columns.reshape(-1, 3), past.reshape(-1, 4))


KNOWN = histories()
WITH_PAST = np.flatnonzero(KNOWN.past[:, 0] >= 0)
ROWS, HELD_OUT = KNOWN.rows(WITH_PAST[:440]), KNOWN.rows(WITH_PAST[440:])


def train(seed=0, settings=SMALL, rows=ROWS, held_out=HELD_OUT):
    return contrast_pasts(rows, held_out, PASTS, seed=seed, settings=settings)


def test_the_loss_is_the_mean_of_the_parts_own():
    module = PastsCLIP.from_settings(torch.arange(ROWS.shape[1]), TrainingSettings(method=PASTS, encoder_width=16), 0)
    rows = torch.from_numpy(ROWS[:32])
    projections = module.encoder.projections(module.encoder(rows)).chunk(4, dim=1)
    slow = (clip_loss(*projections[:2], TEMPERATURE) + clip_loss(*projections[2:], TEMPERATURE)) / 2
    torch.testing.assert_close(module.contrastive_loss(rows, torch.Generator()), slow)


def test_training_learns_moves_every_parameter_and_repeats_by_its_seed():
    result, again, start = train(), train(), RecordAndPast(PASTS.part_of, PASTS.size, 16)
    losses = [epoch["val_loss"] for epoch in result.history]
    assert min(losses[1:]) < losses[0]
    assert result.trained
    for name, array in encoder_state(result.encoder)["weights"].items():
        np.testing.assert_array_equal(array, encoder_state(again.encoder)["weights"][name])
        assert not np.array_equal(array, start.state_dict()[name].numpy()), name


def test_what_depends_on_the_entity_is_found_by_its_past_and_noise_is_not():
    result = train()
    matched = embed(result.encoder.projections, embed(result.encoder, HELD_OUT))
    gains = []
    for part in np.split(matched, 2, axis=1):
        a, b = np.split(part, 2, axis=1)
        gains.append((a * b).sum(axis=1).mean() - (a @ b.T).mean())
    assert gains[0] > 1
    assert gains[0] > 3 * abs(gains[1])


def test_too_few_rows_leave_the_encoder_untrained_and_say_so():
    before = torch.get_rng_state()
    result, again = train(rows=ROWS[:5]), train(rows=ROWS[:5])
    assert "at least" in result.untrained_because
    assert isinstance(result.encoder, RecordAndPast)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(embed(again.encoder, ROWS), embed(result.encoder, ROWS))
    past = result.encoder.tower_b.pooled(result.encoder.past_of(torch.from_numpy(ROWS)))
    np.testing.assert_allclose(embed(result.encoder, ROWS), np.concatenate([ROWS[:, :3], past.numpy()], axis=1),
                               rtol=1e-5, atol=1e-5)


def test_pasts_that_are_no_longer_told_apart_are_a_collapse(monkeypatch):
    class Collapsed(PastsCLIP):
        """Ends with every past at one point, and the records as they were."""

        @property
        def trained_encoder(self):
            self.encoder.tower_b.forward = lambda pasts: torch.zeros(*pasts.shape[:-1], 6)
            return self.encoder

    monkeypatch.setattr(fit, "PastsCLIP", Collapsed)
    with pytest.raises(ModelError, match="collapsed"):
        train()


def test_the_settings_of_another_method_are_not_taken():
    module_settings = TrainingSettings(method=SimCLRSettings())
    with pytest.raises(UsageError, match="PastsSettings"):
        PastsCLIP.from_settings(torch.arange(3), module_settings, 0)
