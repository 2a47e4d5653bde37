import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.batch import alerts
from anomaly_cl.batch.alerts import AlertPool
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.scoring.thresholds import parse_policy
from anomaly_cl.table.read import Batch


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    score = rng.normal(size=5_000).round(1)  # with ties
    p = np.argsort(np.argsort(-score, kind="stable"), kind="stable").astype(float) + 1
    return Scores(score, p / 5_001, p / 5_001, -10 * np.log10(p / 5_001))


@pytest.mark.parametrize("policy", ["alpha=0.01", "budget=30", "budget=1", "budget=9000"])
@pytest.mark.parametrize("size", [7, 500, 5_000])
def test_one_pass_in_batches_picks_what_the_policy_picks_of_the_whole(scored, policy, size, monkeypatch):
    monkeypatch.setattr(alerts, "CHUNK", 50)
    chosen = parse_policy(policy)
    pool = AlertPool(chosen, pa.schema([("x", pa.int64())]))
    for start in range(0, 5_000, size):
        part = slice(start, min(start + size, 5_000))
        rows = pa.record_batch({"x": np.arange(5_000)[part]})
        numbers = Scores(*(getattr(scored, name)[part] for name in Scores.__dataclass_fields__))
        pool.add(Batch(rows, np.arange(5_000)[part] + 10), numbers)
    found = pool.alerts()
    expected = np.flatnonzero(chosen.alerts(scored.p_value, scored.score))
    np.testing.assert_array_equal(found.row_numbers, expected + 10)
    np.testing.assert_array_equal(found.rows["x"].to_numpy(), expected)
    np.testing.assert_array_equal(found.scores.score, scored.score[expected])


def test_a_budget_keeps_few_rows_in_memory(scored, monkeypatch):
    monkeypatch.setattr(alerts, "CHUNK", 50)
    pool = AlertPool(parse_policy("budget=10"), pa.schema([("x", pa.int64())]))
    for start in range(0, 5_000, 100):
        numbers = Scores(*(getattr(scored, name)[start:start + 100] for name in Scores.__dataclass_fields__))
        pool.add(Batch(pa.record_batch({"x": np.arange(100)}), np.arange(start, start + 100)), numbers)
        assert sum(len(part.row_numbers) for part in pool.parts) <= 2 * 10 + 50 + 10
