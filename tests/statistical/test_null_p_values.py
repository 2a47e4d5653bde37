"""Over many splits of normal data, no more p-values fall under a level than the level says."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cl.detectors.tabular import TabularDetector

SPLITS = 80
NEW_ROWS = 200
ONE_SIDED_99 = 2.33


def _normal_rows(rng, n_rows, ties):
    rows = rng.standard_t(4, size=(n_rows, 4)) @ rng.normal(size=(4, 4))
    return rows.round(0) if ties else rows


@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "heavy ties"])
@pytest.mark.parametrize("n_rows", [150, 1_000])
def test_null_p_values_of_the_whole_detector_are_super_uniform(n_rows, ties):
    levels = np.array([0.05, 0.1, 0.3])
    shares = []
    for seed in range(SPLITS):
        rows = _normal_rows(np.random.default_rng(seed), n_rows + NEW_ROWS, ties)
        detector = TabularDetector("none", random_state=seed).fit(rows[:n_rows])
        scores = detector.decision_function(rows[n_rows:])
        shares.append((detector.calibration_.p_value(scores)[:, None] <= levels).mean(axis=0))
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(SPLITS)
    assert (mean <= levels + ONE_SIDED_99 * error).all()
    usable = levels >= 10 / (detector.calibration_.n_rows_ + 1)
    if not ties:  # no power is given away
        assert (mean >= 0.9 * levels - ONE_SIDED_99 * error)[usable].all()
