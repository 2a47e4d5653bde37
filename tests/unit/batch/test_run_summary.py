import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.batch.summary import P_LEVELS, RunSummary
from anomaly_cl.detectors.scored import Scores


def _scores(p):
    return Scores(-np.log(p), p, p, -10 * np.log10(p))


def test_counts_equal_those_of_the_whole():
    rng = np.random.default_rng(0)
    p = rng.uniform(1e-4, 1, 1_000)
    at = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.sort(rng.integers(0, 5 * 86_400, 1_000)), unit="s")
    rows = pa.table({"at": pa.array(at).cast(pa.timestamp("us"))}).to_batches()[0]
    summary = RunSummary(rng.exponential(size=500), "at")
    for start in range(0, 1_000, 130):
        part = slice(start, min(start + 130, 1_000))
        summary.add(rows.slice(start, 130), _scores(p[part]))
    summary.add_alerts(pa.Table.from_batches([rows.slice(0, 3)]))
    found = summary.as_dict()
    assert sum(found["score_histogram"]["counts"]) == sum(found["risk_histogram"]["counts"]) == 1_000
    assert found["alerts_at"] == [[level, int((p <= level).sum())] for level in P_LEVELS]
    expected = at.strftime("%Y-%m-%d").value_counts().sort_index()
    assert [[day, n] for day, n, _ in found["days"]] == [[day, int(n)] for day, n in expected.items()]
    assert sum(n for _, _, n in found["days"]) == 3


def test_no_score_is_outside_the_histogram():
    summary = RunSummary(np.array([1.0, 2.0]), None)
    summary.add(pa.record_batch({"x": [1, 2]}), Scores(np.array([0.0, 1e9]), *[np.array([1.0, 1e-9])] * 2,
                                                       np.array([0.0, 100.0])))
    assert sum(summary.as_dict()["score_histogram"]["counts"]) == 2
    assert summary.as_dict()["days"] == []


def test_log_odds_have_a_histogram_that_begins_below_zero():
    calibration = np.array([-6.0, -2.0, 1.0])
    summary = RunSummary(calibration, None)
    summary.add(pa.record_batch({"x": [1, 2]}), Scores(np.array([-6.0, 8.0]), *[np.array([1.0, 1e-9])] * 2,
                                                       np.array([0.0, 100.0])))
    found = summary.as_dict()["score_histogram"]
    assert (found["edges"][0], found["edges"][-1]) == (-6.0, 8.0)
    assert found["counts"][0] == found["counts"][-1] == 1
    assert sum(found["calibration"]) == 3
