"""What every method of pretraining promises."""

import copy
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.series import DilatedTCN
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.encoders.windows import TwoHalves
from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.losses.triplet import batch_hard, semi_hard
from anomaly_cl.pretraining.clip import CLIPSettings
from anomaly_cl.pretraining.curriculum import Curriculum
from anomaly_cl.pretraining.fit import METHODS, TrainingSettings, embed, encoder_from_state, encoder_state, pretrain
from anomaly_cl.pretraining.moco import MoCoSettings
from anomaly_cl.pretraining.simclr import SimCLRSettings
from anomaly_cl.pretraining.swav import SwAVSettings
from anomaly_cl.pretraining.triplet import TripletSettings
from anomaly_cl.schema import Column

SMALL = TrainingSettings(max_epochs=5, steps_per_epoch=5, batch_size=64, encoder_width=32, encoder_depth=1)
WIDTH = 6
ONE_SPACE = [name for name, method in METHODS.items() if not method.in_all_spaces]
VARIANTS = {
    **{name: (name, None) for name in METHODS},
    "simclr, weighed": ("simclr", SimCLRSettings(weigh_duplicates=True)),
    "triplet, batch-hard": ("triplet", TripletSettings(mining=batch_hard)),
    "triplet, semi-hard": ("triplet", TripletSettings(mining=semi_hard)),
    "triplet, curriculum": ("triplet", TripletSettings(curriculum=Curriculum(start=3, end=1, steps=20))),
    "clip, split": ("clip", CLIPSettings(tower_a=(0, 4))),
    "clip, weighed": ("clip", CLIPSettings(weigh_duplicates=True)),
    "moco, short queue": ("moco", MoCoSettings(queue_size=32)),
    "swav, two groups": ("swav", SwAVSettings(prototypes=2)),
}


def rows_of(n, seed=0):
    """Rows whose columns depend on each other, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, 2)) @ rng.standard_normal((2, WIDTH)) + 0.1 * rng.standard_normal((n, WIDTH))
    return mixed.astype(np.float32)


ROWS, HELD_OUT = np.split(rows_of(380), [300])


def train(variant, rows=ROWS, held_out=HELD_OUT, seed=0, settings=SMALL, column_of=None):
    method, own = VARIANTS[variant]
    column_of = np.arange(rows.shape[1]) if column_of is None else column_of
    return pretrain(method, rows, held_out, column_of, seed=seed, settings=replace(settings, method=own))


def weights(result):
    return encoder_state(result.encoder)["weights"]


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def trained(variant):
    return train(variant)


@pytest.fixture(scope="module")
def still(variant):
    """A run that changes nothing that float32 can hold."""
    return train(variant, settings=replace(SMALL, max_steps=1, learning_rate=1e-30, weight_decay=0))


def test_the_loss_falls(variant, trained):
    losses = {name: [entry[name] for entry in trained.history] for name in ("train_loss", "val_loss")}
    assert min(losses["val_loss"][1:]) < losses["val_loss"][0]
    if variant in METHODS:  # for the others a batch differs from the next by more than a few steps gain
        assert min(losses["train_loss"][1:]) < losses["train_loss"][0]


def test_every_parameter_and_every_embedding_moves(trained, still):
    for name, array in weights(trained).items():
        assert not np.array_equal(array, weights(still)[name]), name
    assert (embed(trained.encoder, HELD_OUT) != embed(still.encoder, HELD_OUT)).any(axis=1).all()


def test_training_starts_from_raw_geometry(still):
    distances = [torch.pdist(torch.from_numpy(x).double()) for x in (HELD_OUT, embed(still.encoder, HELD_OUT))]
    torch.testing.assert_close(*distances, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_gives_another_run(method):
    one, other = train(method, seed=3), train(method, seed=4)
    for name, array in weights(one).items():
        assert not np.array_equal(array, weights(other)[name])


def test_a_seed_repeats_the_run_to_the_last_bit_and_global_generators_are_left_alone(variant, trained):
    torch.manual_seed(7)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    again = train(variant)
    assert again.history == trained.history
    for name, array in weights(again).items():
        np.testing.assert_array_equal(array, weights(trained)[name])
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())


def test_an_encoder_survives_its_state(trained):
    again = encoder_from_state(encoder_state(trained.encoder))
    np.testing.assert_array_equal(embed(again, HELD_OUT), embed(trained.encoder, HELD_OUT))


@pytest.mark.parametrize("method", METHODS)
def test_a_collapse_is_an_error(monkeypatch, method):
    class Shrinking(METHODS[method]):
        """Pulls every row to one point."""

        def batch_loss(self, batch, generator):
            super().batch_loss(batch, generator)
            return self.encoder(batch.rows).square().mean()

    monkeypatch.setitem(METHODS, method, Shrinking)
    hard = TrainingSettings(max_steps=300, steps_per_epoch=100, batch_size=64, learning_rate=0.01, encoder_depth=0)
    with pytest.raises(ModelError, match="collapsed"):
        train(method, settings=hard)


@pytest.mark.parametrize("method", METHODS)
def test_a_handful_of_rows_is_trained_on(method):
    assert train(method, ROWS[:9], HELD_OUT[:8]).trained


@pytest.mark.parametrize("method", METHODS)
def test_duplicated_and_discrete_rows_are_trained_on(method):
    coarse = np.round(ROWS), np.round(HELD_OUT)
    assert np.isfinite(embed(train(method, *coarse).encoder, coarse[1])).all()


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_categories_only_are_trained_on(method):
    codes = np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(3, size=(120, 5))].reshape(120, 15)
    result = train(method, codes[:90], codes[90:], column_of=np.repeat(np.arange(5), 3))
    assert result.trained


@pytest.mark.parametrize("method", ONE_SPACE)
def test_a_single_column_is_trained_on_or_the_reason_said(method):
    result = train(method, ROWS[:, :1], HELD_OUT[:, :1])
    assert isinstance(result.encoder, ResidualMLP)
    assert result.trained or (method == "clip" and "fewer than 2 columns" in result.untrained_because)


@pytest.mark.parametrize("method", ONE_SPACE)
def test_the_embedding_may_have_another_width(method):
    result = train(method, settings=replace(SMALL, embedding_size=4))
    assert embed(result.encoder, HELD_OUT).shape == (80, 4)


def test_only_swav_finds_groups_and_their_prototypes_are_mean_embeddings(variant, trained):
    if not variant.startswith("swav"):
        assert trained.prototypes is None
        return
    most = {"swav": 32, "swav, two groups": 2}[variant]
    assert 2 <= len(trained.prototypes) <= most
    assert trained.prototypes.shape[1] == WIDTH
    embeddings = embed(trained.encoder, ROWS)
    to_groups = np.linalg.norm(embeddings[:, None] - trained.prototypes, axis=2).min(axis=1)
    assert to_groups.mean() < np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1).mean()


def test_only_clip_matches_parts_and_those_of_one_record_match_best(variant, trained):
    if not variant.startswith("clip"):
        assert trained.matching is None
        return
    a, b = np.split(embed(trained.matching, embed(trained.encoder, HELD_OUT)), 2, axis=1)
    own = (a * b).sum(axis=1)
    assert own.mean() > (a @ b.T).mean(axis=1).mean()
    again = encoder_from_state(encoder_state(trained.matching))
    np.testing.assert_array_equal(embed(again, HELD_OUT), embed(trained.matching, HELD_OUT))


def test_each_method_has_its_own_settings_and_refuses_those_of_another():
    for name in METHODS:
        with pytest.raises(UsageError, match="Settings"):
            pretrain(name, ROWS, HELD_OUT, np.arange(WIDTH), seed=0, settings=replace(SMALL, method=object()))


def test_a_method_trains_as_long_as_it_suits_it_unless_told():
    settings = replace(SMALL, max_epochs=50, patience=50)
    for name in ("simclr", "triplet"):
        assert len(train(name, settings=settings).history) == METHODS[name].default_steps // 5
        assert len(train(name, settings=replace(settings, max_steps=10)).history) == 2


def test_towers_read_the_columns_that_were_named():
    column_of = np.array([0, 1, 1, 2, 3, 3])
    result = pretrain("clip", ROWS, HELD_OUT, column_of, seed=0,
                      settings=replace(SMALL, method=CLIPSettings(tower_a=(1, 3))))
    assert isinstance(result.encoder, TwoTowers)
    assert result.encoder.settings["part_a"] == [1, 2, 4, 5]
    halves = pretrain("clip", ROWS, HELD_OUT, column_of, seed=0, settings=SMALL)
    assert halves.encoder.settings["part_a"] == [0, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_a_given_encoder_is_trained_in_place_of_a_new_one_and_stays_as_it_is(method):
    given = TwoHalves(WIDTH, "tcn", 4) if method == "clip" else DilatedTCN(WIDTH, 4)
    before = copy.deepcopy(given.state_dict())
    settings = replace(SMALL, encoder=given)
    if METHODS[method].in_all_spaces:
        with pytest.raises(UsageError, match="encoder"):
            train(method, settings=settings)
        return
    encoder = train(method, settings=settings).encoder
    assert type(encoder) is type(given)
    after = encoder.state_dict()
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert all(torch.equal(given.state_dict()[name], before[name]) for name in before)


def test_a_given_encoder_that_does_not_fit_is_refused():
    for method, encoder, said in [("simclr", DilatedTCN(WIDTH + 1), "width"), ("clip", DilatedTCN(WIDTH), "towers")]:
        with pytest.raises(UsageError, match=said):
            train(method, settings=replace(SMALL, encoder=encoder))
    with pytest.raises(UsageError, match="tower_a"):
        train("clip, split", settings=replace(SMALL, encoder=TwoHalves(WIDTH)))


TABLE = [Column("memo", "text", "string"), Column("amount", "numeric", "double"),
         Column("kind", "categorical", "string"), Column("note", "text", "string")]


def part_a(tower_a, columns):
    result = pretrain("clip", ROWS, HELD_OUT, np.array([0, 1, 1, 2, 3, 3]), seed=0, columns=columns,
                      settings=replace(SMALL, max_steps=1, method=CLIPSettings(tower_a)))
    return result.encoder.settings["part_a"]


@pytest.mark.parametrize(("tower_a", "inputs"), [
    (("kind", "memo"), [0, 3]), (("amount", 3), [1, 2, 4, 5]), ((0, "memo"), [0]), (None, [0, 4, 5]),
])
def test_towers_read_the_columns_of_these_names_or_the_texts(tower_a, inputs):
    assert part_a(tower_a, TABLE) == inputs


def test_without_both_texts_and_others_the_first_half_is_a_tower():
    assert part_a(None, TABLE[1:3] * 2) == part_a(None, [TABLE[0]] * 4) == [0, 1, 2]


@pytest.mark.parametrize(("tower_a", "said"), [
    (("memos",), "memos"), ((9,), "9"), ((-1,), "-1"), ((), "at least one"), ((0, 1, 2, 3), "at least one"),
])
def test_names_that_leave_no_two_towers_are_refused(tower_a, said):
    with pytest.raises(UsageError, match=said):
        part_a(tower_a, TABLE)


def test_names_need_columns_and_a_tuple():
    with pytest.raises(UsageError, match="tower_a names"):
        part_a(("memo",), None)
    with pytest.raises(UsageError, match="tuple"):
        CLIPSettings(tower_a="memo")


@pytest.mark.parametrize("tower_a", [(), (0, 1, 2, 3, 4, 5), (7,)])
def test_towers_that_leave_nothing_to_contrast_are_refused(tower_a):
    with pytest.raises(UsageError, match="tower"):
        pretrain("clip", ROWS, HELD_OUT, np.arange(WIDTH), seed=0,
                 settings=replace(SMALL, method=CLIPSettings(tower_a=tower_a)))


@pytest.mark.parametrize("wrong", [
    lambda: MoCoSettings(queue_size=0), lambda: MoCoSettings(momentum=1), lambda: SwAVSettings(prototypes=1),
    lambda: SwAVSettings(epsilon=0), lambda: SwAVSettings(iterations=0), lambda: TripletSettings(negatives=()),
    lambda: TripletSettings(neighbours=0), lambda: TripletSettings(bank_rows=1),
])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
