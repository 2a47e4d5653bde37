import copy
import os
import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger

from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.pretraining import fit
from anomaly_cl.pretraining.fit import METHODS, TrainingSettings, embed, encoder_from_state, encoder_state, pretrain
from anomaly_cl.pretraining.simclr import SimCLR
from anomaly_cl.views.tabular import GaussianNoise

SMALL = TrainingSettings(max_epochs=4, steps_per_epoch=5, batch_size=64, encoder_width=32, encoder_depth=1)
WIDTH = 6
COLUMN_OF = np.arange(WIDTH)


def rows_of(n, seed=0):
    """Rows whose columns depend on each other, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 2))
    mixed = hidden @ rng.standard_normal((2, WIDTH)) + 0.1 * rng.standard_normal((n, WIDTH))
    return mixed.astype(np.float32)


ROWS, HELD_OUT = np.split(rows_of(380), [300])


def train(rows=ROWS, held_out=HELD_OUT, column_of=COLUMN_OF, seed=0, settings=SMALL, method="simclr", **options):
    return pretrain(method, rows, held_out, column_of, seed=seed, settings=settings, trainer_options=options)


def weights(result):
    return encoder_state(result.encoder)["weights"]


@pytest.fixture(scope="module")
def trained():
    return train(settings=replace(SMALL, max_epochs=10))


def test_the_loss_falls_on_training_and_on_held_out_rows(trained):
    for name in ("train_loss", "val_loss"):
        assert trained.history[-1][name] < trained.history[0][name]


def test_every_parameter_and_every_embedding_moves(trained):
    untrained = train(ROWS[:1])
    for name, array in weights(trained).items():
        assert not np.array_equal(array, weights(untrained)[name])
    assert (embed(trained.encoder, HELD_OUT) != embed(untrained.encoder, HELD_OUT)).any(axis=1).all()


def test_history_has_an_entry_an_epoch(trained):
    assert trained.trained
    assert [entry["epoch"] for entry in trained.history] == list(range(10))
    assert trained.stopped_epoch == 9
    for entry in trained.history:
        assert set(entry) == {"epoch", "train_loss", "val_loss", "rank", "spread"}
        assert 1 <= entry["rank"] <= WIDTH
        assert entry["spread"] > 0


def test_the_encoder_comes_back_on_the_cpu_in_evaluation_mode(trained):
    assert isinstance(trained.encoder, ResidualMLP)
    assert not trained.encoder.training
    assert {parameter.device.type for parameter in trained.encoder.parameters()} == {"cpu"}


def test_a_seed_repeats_the_run_to_the_last_bit_and_another_does_not():
    one, two, other = train(seed=3), train(seed=3), train(seed=4)
    assert one.history == two.history
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, weights(two)[name])
        assert not np.array_equal(array, weights(other)[name])


def test_a_run_does_not_follow_global_generators_and_leaves_them_as_they_were():
    torch.manual_seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    first = train()
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())
    torch.manual_seed(2)
    assert train().history == first.history


def test_inputs_are_not_changed_and_may_be_read_only():
    rows, held_out, column_of = ROWS.copy(), HELD_OUT.copy(), COLUMN_OF.copy()
    for array in (rows, held_out, column_of):
        array.flags.writeable = False
    train(rows, held_out, column_of)
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_array_equal(held_out, HELD_OUT)


def test_training_stops_when_held_out_rows_gain_nothing_and_the_best_weights_return():
    overfitting = replace(SMALL, max_epochs=200, max_steps=10_000, patience=2, learning_rate=0.03)
    result = train(ROWS[:40], settings=overfitting, seed=1)
    losses = [entry["val_loss"] for entry in result.history]
    assert result.stopped_epoch < 199
    assert result.best_epoch == int(np.argmin(losses)) == result.stopped_epoch - 2
    up_to_best = train(ROWS[:40], settings=replace(overfitting, max_epochs=result.best_epoch + 1), seed=1)
    for name, array in weights(up_to_best).items():
        np.testing.assert_array_equal(array, weights(result)[name])


def test_validation_sees_the_same_views_every_epoch():
    still = replace(SMALL, learning_rate=1e-30, weight_decay=0)
    losses = {entry["val_loss"] for entry in train(settings=still).history}
    assert len(losses) == 1


@pytest.mark.parametrize(("settings", "epochs"), [
    (TrainingSettings(max_epochs=3, max_steps=100, steps_per_epoch=10), 3),
    (TrainingSettings(max_epochs=30, max_steps=47, steps_per_epoch=10), 4),
    (TrainingSettings(max_epochs=30, max_steps=7, steps_per_epoch=10), 1),
])
def test_epochs_are_whole_and_within_both_limits(settings, epochs):
    assert settings.epochs == epochs
    assert settings.epochs * settings.epoch_steps <= settings.max_steps


@pytest.mark.parametrize(("n", "m"), [(0, 0), (1, 1), (2, 80), (300, 7), (7, 80), (300, 0)])
def test_too_few_rows_give_the_untrained_encoder_and_say_so(n, m):
    result = train(ROWS[:n], HELD_OUT[:m])
    assert not result.trained
    assert f"{n} training and {m} held-out" in result.untrained_because
    assert (result.history, result.stopped_epoch, result.best_epoch) == ([], None, None)
    np.testing.assert_array_equal(embed(result.encoder, HELD_OUT), HELD_OUT)


@pytest.mark.parametrize("part", ["rows", "held_out"])
def test_constant_rows_give_the_untrained_encoder_and_say_so(part):
    result = train(**{part: np.full((50, WIDTH), 2, np.float32)})
    assert not result.trained
    assert "alike" in result.untrained_because


@pytest.mark.parametrize("n", [8, 9, 63])
def test_fewer_rows_than_a_batch_are_trained_on(n):
    assert train(ROWS[:n], HELD_OUT[:8]).trained


def test_a_single_column_and_constant_columns_are_trained_on():
    assert train(ROWS[:, :1], HELD_OUT[:, :1], COLUMN_OF[:1]).trained
    rows, held_out = ROWS.copy(), HELD_OUT.copy()
    rows[:, 2:] = held_out[:, 2:] = 0
    assert train(rows, held_out).trained


def test_extreme_values_are_survived():
    rows, held_out = ROWS.copy(), HELD_OUT.copy()
    rows[5, 2] = held_out[5, 2] = 1e6
    assert np.isfinite(embed(train(rows, held_out).encoder, held_out)).all()


def test_the_embedding_may_have_another_width():
    result = train(settings=replace(SMALL, embedding_size=4))
    assert embed(result.encoder, HELD_OUT).shape == (80, 4)


class Shrinking(SimCLR):
    """A method that pulls every row to one point."""

    def contrastive_loss(self, rows, generator):
        return self.encoder(rows).square().mean()


class Diverging(SimCLR):
    def contrastive_loss(self, rows, generator):
        return super().contrastive_loss(rows, generator) / 0


@pytest.mark.parametrize(("method", "message"), [(Shrinking, "collapsed"), (Diverging, "losses must stay finite")])
def test_a_run_that_collapses_or_diverges_is_an_error(monkeypatch, method, message):
    monkeypatch.setitem(METHODS, "bad", method)
    hard = TrainingSettings(max_steps=500, steps_per_epoch=50, batch_size=64, learning_rate=0.01, encoder_depth=0)
    with pytest.raises(ModelError, match=message):
        train(method="bad", settings=hard)


def test_nothing_is_printed_or_written(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    train()
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_a_progress_bar_is_shown_on_demand(capfd):
    train(enable_progress_bar=True)
    assert "Epoch" in "".join(capfd.readouterr())


def test_a_logger_gets_the_numbers_of_every_epoch(tmp_path):
    logger = CSVLogger(tmp_path)
    result = train(logger=logger)
    lines = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text().splitlines()
    assert {"train_loss", "val_loss", "rank", "spread"} <= set(lines[0].split(","))
    assert len(lines) - 1 >= len(result.history)


def test_tensorboard_gets_the_numbers_of_every_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    from pytorch_lightning.loggers import TensorBoardLogger

    train(logger=TensorBoardLogger(tmp_path))
    assert list(tmp_path.rglob("events.out.tfevents*"))


def test_callbacks_of_the_user_run_beside_ours():
    class Count(Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer, pl_module):
            self.epochs += 1

    count = Count()
    assert len(train(callbacks=count).history) == len(train(callbacks=[count]).history) == count.epochs / 2


@pytest.mark.parametrize("option", ["max_epochs", "max_steps", "accelerato"])
def test_options_that_the_trainer_does_not_take_are_refused(option):
    with pytest.raises(UsageError, match=option):
        train(**{option: 1})


def test_options_that_skip_the_validation_are_refused():
    with pytest.raises(UsageError, match="validation"):
        train(limit_val_batches=0)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="'simclr'"):
        train(method="simsiam")


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="seed"):
        train(seed=-1)


@pytest.mark.parametrize("change", [
    {"rows": ROWS[:, :3]}, {"held_out": HELD_OUT[:, :3]}, {"column_of": COLUMN_OF[:3]}, {"rows": ROWS[0]},
    {"rows": ROWS[:, :0], "held_out": HELD_OUT[:, :0], "column_of": COLUMN_OF[:0]},
])
def test_shapes_that_do_not_fit_are_refused(change):
    with pytest.raises(UsageError, match="one width"):
        train(**change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["rows", "held_out"])
def test_numbers_that_are_not_finite_are_refused(part, value):
    spoiled = {"rows": ROWS, "held_out": HELD_OUT}[part].copy()
    spoiled[3, 1] = value
    with pytest.raises(InputError, match="1 values"):
        train(**{part: spoiled})


@pytest.mark.parametrize("setting", [
    {"max_epochs": 0}, {"max_steps": 0}, {"batch_size": 1}, {"learning_rate": 0}, {"temperature": 0},
    {"patience": 0}, {"weight_decay": -1}, {"learning_rate": float("nan")},
])
def test_settings_that_cannot_be_meant_are_refused(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        TrainingSettings(**setting)


def test_results_survive_pickle_copy_and_state(trained):
    before = embed(trained.encoder, HELD_OUT)
    for again in (
        pickle.loads(pickle.dumps(trained)).encoder,
        copy.deepcopy(trained).encoder,
        encoder_from_state(encoder_state(trained.encoder)),
    ):
        np.testing.assert_array_equal(embed(again, HELD_OUT), before)


def test_every_method_of_the_table_builds_from_settings():
    for method in fit.METHODS.values():
        module = method.from_settings(torch.tensor(COLUMN_OF), SMALL, 0)
        assert module.encoder.n_inputs == WIDTH


def test_simclr_takes_other_views_on_each_side():
    views = (GaussianNoise(0.1), GaussianNoise(0.5))
    module = SimCLR(ResidualMLP(WIDTH), torch.tensor(COLUMN_OF), views, temperature=0.5, learning_rate=1e-3)
    loss = module.contrastive_loss(torch.tensor(ROWS), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.ndim == 0
    assert module.encoder.last.weight.grad.abs().sum() > 0
