from dataclasses import replace

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.fit import Pairs, TrainingSettings, embed, pretrain
from anomaly_cl.pretraining.module import triplet_loss
from anomaly_cl.pretraining.pairs import (
    PairedRows,
    TripletRows,
    evenly_mixed,
    pairs_among,
    pairs_of_entities,
    triplets_of,
)

SMALL = TrainingSettings(max_steps=60, steps_per_epoch=10, patience=6, batch_size=64, learning_rate=3e-3)
RNG = np.random.default_rng(0)
ROWS, HELD_OUT = np.split(RNG.standard_normal((380, 5)).astype(np.float32), [300])


def train(method="simclr", pairs=None, seed=0, **options):
    settings = replace(SMALL, entity_pairs=bool(options))
    return pretrain(method, ROWS, HELD_OUT, np.arange(5), seed=seed, settings=settings, pairs=pairs, **options)


@pytest.mark.parametrize("method", ["simclr", "triplet"])
def test_pairs_pull_the_same_together_and_push_the_different_apart(method):
    left, right = np.random.default_rng(1).integers(300, size=(2, 2000))
    apart = np.abs(ROWS[left, 0] - ROWS[right, 0])  # what the user holds to make the difference
    left, right, same = (column[(apart < 0.1) | (apart > 2)] for column in (left, right, apart < 1))
    left, right, same = (column[left != right] for column in (left, right, same))
    ratio = []
    for pairs in (None, Pairs(left, right, same)):
        embeddings = embed(train(method, pairs).encoder, ROWS)
        distances = np.linalg.norm(embeddings[left] - embeddings[right], axis=1)
        ratio.append(distances[same].mean() / distances[~same].mean())
    assert ratio[1] < 0.9 * ratio[0]


def test_pairs_repeat_with_the_seed():
    pairs = Pairs([0, 1, 2], [3, 4, 5], [True, False, True])
    assert train("triplet", pairs).history == train("triplet", pairs).history != train("triplet").history


def test_the_third_row_of_a_triplet_suits_the_pair():
    rows = torch.arange(20.0).unsqueeze(1)
    pairs = PairedRows(rows[[3, 8]], rows[[15, 9]], torch.tensor([True, False]))
    anchor, positive, negative = triplets_of(pairs, rows, torch.Generator().manual_seed(0))
    assert anchor.tolist() == [[3], [8]]
    assert positive[0] == 15
    assert negative[0] in rows
    assert positive[1] in (7, 9)  # the nearest other row of the batch
    assert negative[1] == 9


def test_a_row_outside_the_batch_has_its_nearest_row_there():
    pairs = PairedRows(torch.tensor([[3.2]]), torch.tensor([[9.0]]), torch.tensor([False]))
    _, positive, _ = triplets_of(pairs, torch.arange(20.0).unsqueeze(1), torch.Generator())
    assert positive.tolist() == [[3]]


def test_a_negative_that_equals_its_anchor_does_not_count():
    encoder = ResidualMLP(2)
    rows = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    anchor, positive, negative = rows
    negative[1] = anchor[1]
    others = [0, 2, 3]
    torch.testing.assert_close(
        triplet_loss(encoder, TripletRows(anchor, positive, negative)),
        triplet_loss(encoder, TripletRows(anchor[others], positive[others], negative[others])),
    )
    assert triplet_loss(encoder, TripletRows(anchor, positive, anchor)).item() == 0


@pytest.mark.parametrize("columns", [
    ([0], [1, 2], [True]), ([], [], []), ([[0]], [[1]], [[True]]), ([0.5], [1], [True]), ([0], [1], ["same"]),
])
def test_tables_that_are_no_pairs_are_refused(columns):
    with pytest.raises(UsageError, match="pairs"):
        Pairs(*columns)


@pytest.mark.parametrize(("left", "right"), [(0, 300), (-1, 5), (7, 7)])
def test_pairs_of_rows_that_do_not_exist_or_of_one_row_are_refused(left, right):
    with pytest.raises(UsageError, match="300 training rows"):
        train(pairs=Pairs([left], [right], [True]))


def test_pairs_among_some_rows_are_places_there():
    pairs = Pairs([3, 0, 5], [9, 1, 3], [True, True, False])
    some = pairs_among(pairs, np.array([3, 5, 9]))
    assert (some.left.tolist(), some.right.tolist(), some.same.tolist()) == ([0, 1], [2, 0], [True, False])
    assert pairs_among(pairs, np.array([2, 3])) is None


def test_each_row_is_paired_with_another_of_its_entity():
    entities = np.array([3, -1, 0, 3, 3, 0, 7, -1, -1])
    pairs = pairs_of_entities(entities, np.random.default_rng(0))
    assert sorted(pairs.left) == sorted(pairs.right) == [0, 2, 3, 4, 5]  # 6 is alone, 1, 7 and 8 are of nobody
    assert (entities[pairs.left] == entities[pairs.right]).all()
    assert (pairs.left != pairs.right).all()
    assert pairs.same.all()
    following = dict(zip(pairs.left, pairs.right, strict=True))
    assert following[following[following[0]]] == 0  # the three rows of an entity are one ring


@pytest.mark.parametrize("entities", [np.arange(5), np.full(5, -1), np.arange(0)])
def test_entities_of_one_row_each_have_no_pairs(entities):
    assert pairs_of_entities(entities, np.random.default_rng(0)) is None


def test_short_tables_of_pairs_count_as_much_as_long_ones():
    few, many = Pairs([0, 1], [2, 3], [True, False]), Pairs(np.arange(9), np.arange(9) + 1, np.ones(9, bool))
    mixed = evenly_mixed([few, many])
    assert mixed.left[:8].tolist() == [0, 1] * 4
    assert mixed.same[:8].tolist() == [True, False] * 4
    assert mixed.right[8:].tolist() == many.right.tolist()
    assert evenly_mixed([]) is None


def test_rows_of_an_entity_are_pulled_together():
    entities = np.floor(ROWS[:, 0] * 2).astype(int) - int(np.floor(ROWS[:, 0] * 2).min())
    same = entities[:, None] == entities
    ratio = []
    for options in ({}, {"entities": [entities]}):
        embeddings = embed(train("triplet", **options).encoder, ROWS)
        distances = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
        ratio.append(distances[same].mean() / distances[~same].mean())
    assert ratio[1] < 0.95 * ratio[0]


def test_entities_are_asked_for_and_each_row_has_one():
    with pytest.raises(UsageError, match="entity"):
        pretrain("triplet", ROWS, HELD_OUT, np.arange(5), seed=0, settings=replace(SMALL, entity_pairs=True))
    with pytest.raises(UsageError, match="300 training rows"):
        train("triplet", entities=[np.arange(7)])
