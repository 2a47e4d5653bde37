import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.recurrence import (
    EXPECTED_LIFT,
    KAPPA,
    MOST,
    MOST_LIFT,
    RATE,
    STRANGE,
    UNIT,
    Recurrence,
    evidence,
    is_strange,
)

N, ENTITIES, BACK = 60_000, 600, 10  # records, of each entity in turn, and how many earlier ones its window holds


def sequences(rng, share=0.005, *, recurring):
    """Whether each record is strange beyond chance (rounds, entities): at random, or half of the time in bad spells."""
    rounds = N // ENTITIES
    if not recurring:
        return rng.random((rounds, ENTITIES)) < share
    bad = np.zeros((rounds, ENTITIES), bool)
    for entity in rng.choice(ENTITIES, ENTITIES // 10, replace=False):
        began = rng.integers(0, rounds - BACK)
        bad[began:began + BACK, entity] = True
    return bad & (rng.random(bad.shape) < 0.5)


def earlier(strange):
    """How many of the entity's BACK records before each were strange, of the same shape."""
    counts = np.zeros(strange.shape, int)
    for row in range(len(strange)):
        counts[row] = strange[max(0, row - BACK):row].sum(axis=0)
    return counts


def lift(strange):
    recurrence = Recurrence(("card",))
    recurrence.fit(strange.ravel(), {"card": earlier(strange).ravel()})
    return recurrence.lifts_["card"]


def test_evidence_of_normal_records_is_at_most_the_rate_on_the_mean():
    n = 200_000
    t = (np.arange(n) + 0.5) / n  # of p = t^10, uniform, so that the mean is an integral over t without a pole
    mean = (evidence(-10 * np.log(t)) * UNIT * 10 * t**9).mean()
    cut = (RATE * KAPPA / MOST) ** (1 / (1 - KAPPA))  # below this p, evidence is MOST
    assert_allclose(mean, RATE * (1 - cut**KAPPA) + MOST * cut, rtol=1e-3)
    assert 0.75 * RATE < mean < RATE


@pytest.mark.parametrize("p", [1.0, 0.3, 1e-3, 1e-6])
def test_evidence_is_the_e_value_of_p(p):
    assert_allclose(evidence([-math.log(p)])[0] * UNIT, RATE * KAPPA * p ** (KAPPA - 1), atol=UNIT)


def test_evidence_grows_with_surprise_up_to_its_most():
    found = evidence(np.linspace(0, 60, 500))
    assert (np.diff(found) >= 0).all()
    assert found.dtype == np.int64
    assert found.max() == round(MOST / UNIT)
    assert_array_equal(evidence([1e9]), found.max())


@given(st.lists(st.floats(0, 40), min_size=2, max_size=40), st.randoms())
def test_sums_of_evidence_do_not_depend_on_the_order(surprises, random):
    found = evidence(surprises).tolist()
    mixed = random.sample(found, len(found))
    assert np.cumsum(found)[-1] == np.cumsum(mixed)[-1] == sum(found)


def test_surprise_that_is_not_finite_is_refused():
    for value in (np.nan, np.inf):
        with pytest.raises(InputError):
            evidence([value])


def test_strange_is_one_normal_record_in_a_thousand():
    assert_array_equal(is_strange([0.0, STRANGE - 1e-9, STRANGE, 50.0]), [False, False, True, True])
    assert_allclose(is_strange(np.random.default_rng(0).exponential(size=1_000_000)).mean(), 1e-3, rtol=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_the_lift_is_high_where_strange_records_recur_and_about_one_where_they_do_not(seed):
    rng = np.random.default_rng(seed)
    chance = rng.random((N // ENTITIES, ENTITIES)) < math.exp(-STRANGE)
    assert lift(sequences(rng, recurring=True) | chance) > 30
    assert lift(sequences(rng, 0.02, recurring=False) | chance) < 1.5


def test_the_lift_is_that_of_the_slow_definition():
    rng = np.random.default_rng(4)
    strange = sequences(rng, recurring=True)
    before = earlier(strange)
    follows = [(int(now), int(then)) for now, then in zip(strange.ravel(), before.ravel(), strict=True)]
    after = [now for now, then in follows if then]
    other = [now for now, then in follows if not then]
    beyond = sum(after) - len(after) / 1_000
    rate = max(sum(other) / len(other) - 1e-3, 0.0)
    expected = (max(beyond, 0.0) + 1) / (len(after) * rate + 1 / EXPECTED_LIFT)
    assert_allclose(lift(strange), min(max(expected, 1.0), MOST_LIFT))


def test_without_strange_or_without_any_records_the_lift_stays_at_what_is_expected():
    assert Recurrence(("card",)).lifts_ == {"card": EXPECTED_LIFT}
    assert_allclose(lift(np.zeros((20, 30), bool)), EXPECTED_LIFT)
    assert_allclose(Recurrence(("card",)).fit([], {"card": []}).lifts_["card"], EXPECTED_LIFT)


def recurrence(**lifts):
    learned = Recurrence(tuple(lifts))
    learned.lifts_ = lifts
    return learned


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), min_size=1, max_size=20),
       st.floats(1, 300), st.floats(1, 300))
def test_added_equals_the_slow_sum_and_the_shares_add_up_to_it(totals, card, shop):
    learned = recurrence(card=card, shop=shop)
    cards, shops = np.array(totals).T
    expected = [math.log1p(sum((lift - 1) * (s := total * 1e-9) / (1 + s)
                               for lift, total in ((card, a), (shop, b)))) for a, b in totals]
    found = learned.added({"card": cards, "shop": shops})
    assert_allclose(found, expected, rtol=1e-9)
    shares = learned.shares({"card": cards, "shop": shops})
    assert_allclose(shares["card"] + shares["shop"], found, rtol=1e-9, atol=1e-300)
    assert min(shares["card"].min(), shares["shop"].min()) >= 0


def test_nothing_is_added_without_evidence_without_lift_or_without_roles():
    assert_array_equal(recurrence(card=100.0).added({"card": [0, 0]}), 0)
    assert_array_equal(recurrence(card=1.0).added({"card": [10**10]}), 0)
    assert_array_equal(recurrence(card=1.0).shares({"card": [10**10]})["card"], 0)


def test_more_evidence_adds_more_up_to_the_lift():
    found = recurrence(card=50.0).added({"card": 10 ** np.arange(3, 16)})
    assert (np.diff(found) > 0).all()
    assert_allclose(found[-1], math.log(50), rtol=1e-3)


def test_a_state_adds_the_same():
    learned = recurrence(card=7.25, shop=1 / 3 + 1)
    twin = Recurrence.from_state(learned.to_state())
    totals = {"card": np.array([5, 10**9]), "shop": np.array([10**8, 0])}
    assert_array_equal(twin.added(totals), learned.added(totals))
    assert twin.roles == learned.roles
