"""What trimming does to the false-alarm rate on clean rows: "auto" nothing, a share at most itself."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.table.split import Split

SPLITS, TRAINING_ROWS, NEW_ROWS = 40, 600, 600
LEVELS = np.array([0.01, 0.05, 0.1])
ONE_SIDED_99 = 2.33


@pytest.mark.parametrize(("contamination", "most_above"), [("auto", 0.0), (0.02, 0.02)])
def test_false_alarms_on_clean_heavy_tailed_rows_exceed_the_level_by_the_trimmed_share_at_most(
    contamination, most_above
):
    shares, trimmed = [], []
    for seed in range(SPLITS):
        rng = np.random.default_rng(seed)
        rows = rng.standard_t(4, size=(TRAINING_ROWS + NEW_ROWS, 4)) @ rng.normal(size=(4, 4))
        detector = TabularDetector("none", seed, calibration=Split(0.4), contamination=contamination)
        detector.fit(rows[:TRAINING_ROWS])
        p = detector.calibration_.p_value(detector.decision_function(rows[TRAINING_ROWS:]))
        shares.append((p[:, None] <= LEVELS).mean(axis=0))
        trimmed.append(detector.rows_["trimmed"] / TRAINING_ROWS)
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(SPLITS)
    assert (mean <= LEVELS + most_above + ONE_SIDED_99 * error).all()
    assert np.mean(trimmed) <= max(0.005, most_above)
