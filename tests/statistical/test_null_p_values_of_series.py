"""Over many normal series whose steps depend on each other, no larger a share of p-values is under a level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from anomaly_cl.scoring.blocks import block_maxima, calibration_blocks, span_p_values, step_p_values
from anomaly_cl.scoring.calibration import p_values

SERIES = 100
NEW_STEPS = 5_000
COEFFICIENTS = (0.0, 0.5, 0.9, 0.95)
LEVELS = np.array([0.001, 0.01, 0.05, 0.1])
ONE_SIDED_99 = 2.33


def _autoregressive(rng, coefficient, n_steps):
    """A stationary series of variance 1 (n_steps,)."""
    noise = rng.normal(size=n_steps) * np.sqrt(1 - coefficient**2)
    noise[0] = rng.normal()
    return lfilter([1], [1, -coefficient], noise)


def _shares(coefficient, *, n_blocks, block, gap=80):
    """Mean share and its standard error at each level (levels,) of the steps' p-values, the plain ones, the spans'."""
    rng = np.random.default_rng(n_blocks)
    n_steps = n_blocks * (block + 2 * gap + 10)
    blocks = calibration_blocks(n_steps, block, gap, n_blocks * block / n_steps)
    numbers, shares = blocks.numbers[blocks.calibrates], []
    for _ in range(SERIES):
        calibration = _autoregressive(rng, coefficient, n_steps)[blocks.calibrates]
        new = _autoregressive(rng, coefficient, NEW_STEPS)
        peaks = new.reshape(-1, block).max(axis=1)
        kinds = (step_p_values(new, calibration, numbers), p_values(new, calibration),
                 span_p_values(peaks, block_maxima(calibration, numbers)))
        shares.append([(p[:, None] <= LEVELS).mean(axis=0) for p in kinds])
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(SERIES)
    print(f"coefficient {coefficient}, {n_blocks} blocks of {block}: steps, plain, spans", mean.round(5).tolist())
    return mean, error


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@pytest.mark.parametrize(("n_blocks", "block"), [(500, 10), (250, 20), (100, 50), (20, 250)])
def test_null_p_values_of_steps_and_spans_are_super_uniform(coefficient, n_blocks, block):
    (steps, _, spans), (steps_error, _, spans_error) = _shares(coefficient, n_blocks=n_blocks, block=block)
    assert (steps <= LEVELS + ONE_SIDED_99 * steps_error).all()
    assert (spans <= LEVELS + ONE_SIDED_99 * spans_error).all()


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_with_blocks_enough_little_power_is_given_away(coefficient):
    (steps, _, _), _ = _shares(coefficient, n_blocks=250, block=20)
    assert 0.004 <= steps[1] <= 0.02


def test_with_few_blocks_steps_taken_as_exchangeable_break_the_promise_and_blocks_keep_it():
    (steps, plain, _), (_, plain_error, _) = _shares(0.95, n_blocks=10, block=50)
    assert plain[1] > LEVELS[1] + ONE_SIDED_99 * plain_error[1]
    assert steps[1] <= LEVELS[1]
