import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.scoring.averaged_tail import average_tails
from anomaly_cl.scoring.tail_beyond import SMALLEST_P, TailBeyond


@pytest.mark.parametrize("draw", ["exponential", "normal", "uniform", "standard_cauchy", "lognormal"])
def test_the_curve_equals_what_it_was_drawn_from(draw):
    sample = np.sort(getattr(np.random.default_rng(0), draw)(size=2000))
    threshold, largest = sample[-201], sample[-1]
    average = average_tails(sample[-200:] - threshold)
    tail = TailBeyond.draw(average.survival, threshold, largest)
    scores = largest + (largest - threshold) * np.array([0, 1e-7, 1e-4, 3e-3, 0.01, 0.1, 1, 7, 1e4])
    expected = np.maximum(average.survival(scores - threshold), SMALLEST_P)
    # where a bounded tail ends, the curve may fall within one step between two knots
    assert_allclose(np.log(tail.survival(scores)), np.log(expected), atol=0.05, rtol=0.02)


def test_the_curve_falls_to_the_smallest_p_and_stays_there():
    tail = TailBeyond.draw(lambda z: 0.1 * np.exp(-z), 0.0, 5.0)
    p = tail.survival(np.linspace(5, 60, 500))
    assert (np.diff(p) <= 0).all()
    assert p[0] == pytest.approx(0.1 * np.exp(-5))
    assert p[-1] == pytest.approx(SMALLEST_P)


def test_a_curve_returns_from_its_state():
    tail = TailBeyond.draw(lambda z: np.exp(-z), 0.0, 5.0)
    state = tail.to_state()
    json.dumps(state["largest"])
    scores = np.linspace(5, 20, 50)
    assert_array_equal(TailBeyond.from_state(state, 5.0).survival(scores), tail.survival(scores))


def test_a_state_of_version_0_1_is_read():
    fit = {"estimate": {"shape": 0.1, "scale": 1.0}, "weights": np.array([0.4, 0.6]), "shapes": np.array([0.2, -0.1]),
           "scales": np.array([1.0, 1.1])}
    tail = TailBeyond.from_state({"threshold": 3.0, "share": 0.1, "fit": fit}, largest=5.0)
    z = np.array([2.0, 2.5, 4.0, 12.0])
    inside = np.maximum(1 - 0.1 * z / 1.1, 0)
    expected = 0.1 * (0.4 * (1 + 0.2 * z) ** -5 + 0.6 * inside ** 10)
    assert_allclose(tail.survival(3 + z), expected, rtol=0.01)
