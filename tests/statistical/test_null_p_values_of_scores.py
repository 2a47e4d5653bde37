"""Over 200 random splits of scores, no larger a share of p-values is under a level than the level says."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cl.scoring.calibration import Calibration, p_values

SPLITS = 200
NEW_ROWS = 1000
LEVELS = np.array([0.001, 0.01, 0.05, 0.1])
ONE_SIDED_99 = 2.33
DRAWS = {
    "continuous": lambda rng, n: rng.lognormal(size=n),
    "heavy ties": lambda rng, n: rng.exponential(2, size=n).round(),
    "half equal": lambda rng, n: np.maximum(rng.normal(size=n), 0),
}


def _assert_promise(shares, usable):
    mean = np.mean(shares, axis=0)
    error = np.std(shares, axis=0, ddof=1) / np.sqrt(len(shares))
    assert (mean <= LEVELS + ONE_SIDED_99 * error).all()
    assert (mean >= 0.9 * LEVELS - ONE_SIDED_99 * error)[usable].all()


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("n_calibration", [50, 199, 1000, 5000, 20_000])
def test_null_p_values_are_super_uniform_and_give_no_power_away(draw, n_calibration):
    rng = np.random.default_rng(n_calibration)
    shares = []
    for _ in range(SPLITS):
        scores = DRAWS[draw](rng, n_calibration + NEW_ROWS)
        p = p_values(scores[n_calibration:], scores[:n_calibration])
        shares.append((p[:, None] <= LEVELS).mean(axis=0))
    _assert_promise(shares, usable=(10 / (n_calibration + 1) <= LEVELS) & (draw != "heavy ties"))


@pytest.mark.parametrize(("ties", "smallest"), [
    (False, 100), (True, 100), (True, 20), pytest.param(False, 20, marks=pytest.mark.slow)])
def test_null_p_values_are_super_uniform_in_each_segment(ties, smallest):
    rng = np.random.default_rng(smallest)
    labels = np.array(["a", "b", "c", "d", "e", "f", None], dtype=object)
    shares: dict[str, list[np.ndarray]] = {"a": [], "b": [], "small": []}
    for _ in range(SPLITS):
        codes = rng.choice(7, size=900 + NEW_ROWS, p=[0.4, 0.25, 0.12, 0.1, 0.07, 0.03, 0.03])
        scores = rng.exponential(1 + codes)  # segments differ: a common calibration would alert on the last ones
        scores = scores.round() if ties else scores
        segments = labels[codes]
        calibration = Calibration(smallest).fit(scores[:900], segments[:900])
        p = calibration.p_value(scores[900:], segments[900:])
        used = calibration.segment_used(segments[900:])
        groups = {"a": used == "a", "b": used == "b", "small": np.char.startswith(used.astype(str), "(small")}
        for name, group in groups.items():
            if group.any():
                shares[name].append((p[group][:, None] <= LEVELS).mean(axis=0))
    assert min(map(len, shares.values())) > SPLITS / 2
    for name, found in shares.items():
        rows = {"a": 360, "b": 225}.get(name, 10)
        _assert_promise(found, usable=(10 / (rows + 1) <= LEVELS) & (not ties))


def test_a_common_calibration_breaks_its_promise_in_the_segments():
    rng = np.random.default_rng(0)
    codes = rng.choice(2, size=20_000, p=[0.9, 0.1])
    scores = rng.exponential(1 + codes)
    common = p_values(scores[10_000:], scores[:10_000])
    segments = np.array(["shop", "online"], dtype=object)[codes]
    calibration = Calibration().fit(scores[:10_000], segments[:10_000])
    own = calibration.p_value(scores[10_000:], segments[10_000:])
    online = codes[10_000:] == 1
    assert (common[online] <= 0.01).mean() > 0.03
    assert (own[online] <= 0.01).mean() < 0.02
