import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.peers import FEWEST_RECORDS, peer_amounts, peers, similar_entities

RNG = np.random.default_rng(0)
E = RNG.normal(size=(40, 6)) * RNG.uniform(0.2, 4, size=(40, 1))
COUNTS = RNG.integers(0, 12, 40)


def slow(entity, among, k):
    others = sorted((float(np.linalg.norm(E[entity] - E[other])), other) for other in among if other != entity)[:k]
    return [other for _, other in others], [distance for distance, _ in others]


def test_similar_entities_are_the_nearest_others_by_euclidean_distance():
    for entity in range(40):
        found = similar_entities(E, COUNTS, entity, 4)
        positions, distances = slow(entity, range(40), 4)
        assert found.positions.tolist() == positions
        assert_allclose(found.distances, distances)
        assert_array_equal(found.few, [COUNTS[other] < FEWEST_RECORDS for other in positions])


def test_the_same_direction_at_another_length_is_not_similar():
    embeddings = np.array([[1.0, 0], [10, 0], [1, 0.5]])
    assert similar_entities(embeddings, np.full(3, 9), 0, 1).positions.tolist() == [2]


def test_an_entity_is_left_out_even_among_its_copies():
    found = similar_entities(np.zeros((5, 2)), np.full(5, 9), 3, 10)
    assert sorted(found.positions.tolist()) == [0, 1, 2, 4]
    assert_array_equal(found.distances, 0)


def test_peers_are_the_nearest_that_have_enough_records():
    enough = np.flatnonzero(COUNTS >= FEWEST_RECORDS)
    found = peers(E, COUNTS, 5)
    for entity in range(40):
        assert found[entity].tolist() == slow(entity, enough, 5)[0]


def test_missing_peers_are_marked():
    line = np.array([[0.0], [1], [5]])
    assert_array_equal(peers(line, np.array([9, 0, 9]), 3), [[2, -1, -1], [0, 2, -1], [0, -1, -1]])
    assert_array_equal(peers(line, np.zeros(3, int), 2), np.full((3, 2), -1))


def test_amounts_of_peers_are_the_quantiles_of_their_records():
    amounts = RNG.lognormal(3, 1, 200)
    records = np.where(RNG.random((7, 4, 5)) < 0.3, -1, RNG.integers(0, 200, (7, 4, 5)))
    records[2] = -1
    found = peer_amounts(amounts, records)
    for row in range(7):
        paid = [amounts[position] for position in records[row].ravel() if position >= 0]
        assert found.count[row] == len(paid)
        if paid:
            low, middle, high = np.quantile(paid, [0.25, 0.5, 0.75])
            assert_allclose([found.location[row], found.spread[row]], [middle, (high - low) / 1.349])
    assert np.isnan(found.location[2])
    assert np.isnan(found.deviations(np.ones(7))[2])


def test_a_deviation_counts_spreads_and_needs_some_payments():
    amounts = np.append(np.arange(101.0), 7)
    some = np.arange(101)[None, None]
    found = peer_amounts(amounts, some)
    assert_allclose(found.deviations([50 + 3 * 50 / 1.349]), 3)
    assert np.isnan(peer_amounts(amounts, some[:, :, :9]).deviations([5.0]))
    all_alike = peer_amounts(amounts, np.full((1, 4, 5), 101))
    assert_allclose(all_alike.deviations([14.0]), 20)  # a spread of a twentieth of the location is the least


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError, match="positions 0 to 39"):
        similar_entities(E, COUNTS, 40, 2)
    with pytest.raises(UsageError, match="raise k"):
        similar_entities(E, COUNTS, 0, 0)
    with pytest.raises(InputError, match="number of records"):
        peers(E, COUNTS[:3], 2)
    with pytest.raises(InputError, match="positions"):
        peer_amounts(np.ones(3), np.full((1, 1, 1), 3))
