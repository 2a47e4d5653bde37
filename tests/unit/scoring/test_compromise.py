from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.compromise import Compromise, fit_compromise

MODEL = Compromise(start_rate=0.1, advance=0.6, phases=2, fraud_rate=0.7, background_rate=0.05)


def by_paths(model, frauds, legitimate):
    """Posterior and likelihood of one row, newest step first, by a sum over all paths of states."""
    n = model.phases
    moves = np.zeros((n + 1, n + 1))
    moves[0, 0], moves[0, 1] = 1 - model.start_rate, model.start_rate
    for phase in range(1, n + 1):
        moves[phase, phase] += 1 - model.advance
        moves[phase, (phase + 1) % (n + 1)] += model.advance
    ill = 1 - (1 - model.background_rate) * (1 - model.fraud_rate)
    rates = np.array([model.background_rate] + [ill] * n)
    values, vectors = np.linalg.eig(moves.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    joint = np.zeros(n + 1)
    for path in product(range(n + 1), repeat=len(frauds) + 2):  # from before the oldest step to now
        weight = stationary[path[0]]
        for before, after in pairwise(path):
            weight *= moves[before, after]
        for state, fraud, good in zip(path[1:], frauds[::-1], legitimate[::-1], strict=False):
            weight *= rates[state] ** fraud * (1 - rates[state]) ** good
        joint[path[-1]] += weight
    return joint[1:].sum() / joint.sum(), np.log(joint.sum())


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_filtering_equals_the_sum_over_all_paths(phases):
    rng = np.random.default_rng(phases)
    model = Compromise(0.1, 0.6, phases, 0.7, 0.05)
    frauds, legitimate = rng.integers(0, 3, (2, 4, 10))
    expected = np.array([by_paths(model, *each) for each in zip(frauds.T, legitimate.T, strict=True)])
    assert_allclose(model.probability(frauds, legitimate), expected[:, 0], rtol=1e-10)
    assert_allclose(model.log_likelihood(frauds, legitimate), expected[:, 1], rtol=1e-10)


def simulate(rng, entities, steps, start, length, rate, background, records=1.5):
    """Counts (steps, entities), the newest first, of entities whose episodes last `length()` steps."""
    ill = np.zeros((steps + 200, entities), bool)
    for entity in range(entities):
        step = 0
        while (step := step + rng.geometric(start)) < len(ill):
            stop = step + length()
            ill[step:stop, entity] = True
            step = stop
    ill = ill[200:]
    number = rng.poisson(records, ill.shape)
    frauds = rng.binomial(number, np.where(ill, 1 - (1 - background) * (1 - rate), background))
    return frauds[::-1], (number - frauds)[::-1], ill


@pytest.mark.parametrize(("length", "mean", "spread"), [
    (lambda rng: rng.geometric(0.1), 10, (6, 14)), (lambda rng: 20, 20, (0, 5)),
])
def test_rates_and_durations_that_made_the_verdicts_are_found(length, mean, spread):
    rng = np.random.default_rng(0)
    frauds, legitimate, _ = simulate(rng, 1_500, 70, 0.002, lambda: length(rng), 0.6, 0.01)
    model = fit_compromise(frauds, legitimate)
    assert_allclose(model.mean_steps, mean, rtol=0.2)
    assert_allclose(model.start_rate, 0.002, rtol=0.3)
    assert_allclose(model.fraud_rate, 0.6, rtol=0.1)
    assert_allclose(model.background_rate, 0.01, rtol=0.1)
    sd = np.sqrt(model.phases * (1 - model.advance)) / model.advance
    assert spread[0] <= sd <= spread[1]


def test_probabilities_are_shares_of_the_truly_compromised_also_after_a_delay():
    rng = np.random.default_rng(1)
    frauds, legitimate, ill = simulate(rng, 20_000, 40, 0.01, lambda: rng.geometric(0.1), 0.8, 0.02)
    model = Compromise(0.01, 0.1, 1, 0.8, 0.02)
    delay = 6
    frauds[:delay], legitimate[:delay] = 0, 0
    found = model.probability(frauds[1:], legitimate[1:])  # of the last step, by what came before
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 1)):
        inside = (found >= low) & (found < high)
        assert_allclose(ill[-1][inside].mean(), found[inside].mean(), rtol=0.15)


def test_an_episode_of_constant_length_is_known_to_be_over():
    model = Compromise(0.001, 1.0, 5, 0.9, 0.001)
    frauds = np.zeros((12, 2), int)
    frauds[3:6, 0], frauds[8:11, 1] = 1, 1  # began 6 and 11 steps ago
    still = Compromise(0.001, 0.5, 5, 0.9, 0.001).probability(frauds, np.zeros_like(frauds))
    assert (model.probability(frauds, np.zeros_like(frauds)) < 0.01).all()
    assert still[0] > 0.5 > still[1]


def test_thousands_of_verdicts_in_a_step_stay_finite():
    frauds, legitimate = np.array([[9_000, 0, 4_000]]), np.array([[0, 50_000, 4_000]])
    found = MODEL.probability(frauds, legitimate)
    assert np.isfinite(MODEL.log_likelihood(frauds, legitimate)).all()
    assert found[0] > 0.5
    assert_allclose(found[1], MODEL.start_rate)  # it was surely well in the newest step


def test_a_row_does_not_see_the_others():
    frauds, legitimate = np.random.default_rng(2).integers(0, 3, (2, 20, 40))
    model = Compromise(0.01, 0.4, 11, 0.7, 0.05)
    parts = [model.probability(frauds[:, i:i + 1], legitimate[:, i:i + 1]) for i in range(40)]
    assert_array_equal(np.concatenate(parts), model.probability(frauds, legitimate))


def test_a_state_gives_the_same_model():
    assert Compromise.from_state(MODEL.to_state()) == MODEL


def test_there_must_be_frauds_and_counts():
    nothing = np.zeros((3, 4), int)
    with pytest.raises(InputError, match="no verdict says fraud"):
        fit_compromise(nothing, nothing + 1)
    for counts in (np.zeros((3, 4)), nothing - 1, np.zeros(3, int), np.zeros((0, 4), int)):
        with pytest.raises(InputError):
            MODEL.probability(counts, counts)
    with pytest.raises(InputError):
        MODEL.probability(nothing, nothing[:2])
