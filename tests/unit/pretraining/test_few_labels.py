import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import soft_triplet
from anomaly_cl.pretraining.few_labels import FewLabels
from anomaly_cl.pretraining.fit import contrast_confirmed, embed

RNG = np.random.default_rng(0)
WIDTH, SHIFT = 12, np.eye(12)[0] * 2.5  # one column tells, the others are noise
ROWS, HELD_OUT = np.split(RNG.standard_normal((500, WIDTH)).astype(np.float32), [400])
ANOMALIES, OTHERS = np.split((RNG.standard_normal((208, WIDTH)) + SHIFT).astype(np.float32), [8])


def train(anomalies=ANOMALIES, seed=0, rows=ROWS, held_out=HELD_OUT):
    return contrast_confirmed(rows, held_out, anomalies, np.arange(WIDTH), seed=seed)


def log_ratio(encoder, rows):
    embedded, normal, confirmed = (embed(encoder, each) for each in (rows, ROWS, ANOMALIES))
    to_normal = np.sort(np.linalg.norm(embedded[:, None] - normal, axis=2), axis=1)[:, :5].mean(axis=1)
    return np.log(to_normal / np.linalg.norm(embedded[:, None] - confirmed, axis=2).min(axis=1))


def test_other_anomalies_of_the_kind_come_nearer_than_unseen_normal_rows():
    labels, rows = np.repeat([0, 1], [len(HELD_OUT), len(OTHERS)]), np.concatenate([HELD_OUT, OTHERS])
    encoders = ResidualMLP(WIDTH), train().encoder
    raw, trained = (roc_auc_score(labels, log_ratio(encoder, rows)) for encoder in encoders)
    assert trained > raw + 0.01


def test_the_loss_falls_and_all_parameters_move():
    result = train()
    losses = [epoch["val_loss"] for epoch in result.history]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert all((parameter != 0).any() for parameter in result.encoder.parameters())


def test_one_anomaly_is_enough():
    assert np.isfinite(log_ratio(train(ANOMALIES[:1]).encoder, OTHERS)).all()


def test_a_seed_repeats_the_run_and_another_does_not():
    one, again, other = (embed(train(seed=seed).encoder, OTHERS) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_too_few_normal_rows_keep_raw_geometry():
    result = train(rows=ROWS[:5], held_out=HELD_OUT[:3])
    assert not result.trained
    np.testing.assert_allclose(embed(result.encoder, OTHERS), OTHERS)


def test_the_loss_is_that_of_its_triplets():
    """With one anomaly, two normal rows and no training, each triplet is known up to which row is the anchor."""
    rows, anomaly = torch.tensor([[0.0], [1.0]]), torch.tensor([[4.0]])
    module = FewLabels(ResidualMLP(1), anomaly, 1e-3)
    module.prepare(rows, torch.Generator().manual_seed(0))
    loss = module.contrastive_loss(rows, torch.Generator().manual_seed(0)).item()
    from_0, from_1 = (soft_triplet(rows[[i]], rows[[1 - i]], anomaly).item() for i in (0, 1))
    assert any(loss == pytest.approx((n * from_0 + (2 - n) * from_1) / 2) for n in range(3))


@pytest.mark.parametrize("anomalies", [np.empty((0, WIDTH)), np.ones((2, 4)), np.full((1, WIDTH), np.nan)])
def test_anomalies_that_do_not_fit_are_refused(anomalies):
    with pytest.raises(UsageError, match="confirmed anomalies"):
        train(anomalies.astype(np.float32))
