
import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.batch import alerts, shelf
from anomaly_cl.batch.alerts import AlertPool
from anomaly_cl.detectors.policies import scored_rows
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.schema import Column, Schema
from anomaly_cl.scoring.calibration import risk
from anomaly_cl.scoring.thresholds import parse_policy
from anomaly_cl.table.read import Batch
from tests.unit.scoring.made_up_scores import ALL_POLICIES, made_up

N_ROWS, N_CALIBRATION = 5_000, 5_000
SCHEMA = Schema((Column("x", "numeric", "double"), Column("at", "datetime", "timestamp[us]", "time"),
                 Column("channel", "categorical", "string", "segment")))


@pytest.fixture(scope="module")
def scored():
    read = made_up(N_ROWS, n_calibration=N_CALIBRATION)
    rows = pa.record_batch({"x": np.arange(N_ROWS), "at": pa.array(read.times), "channel": pa.array(read.segments)})
    return rows, Scores(read.scores, read.p_values, read.p_tail, risk(read.p_tail))


def _batches(scored, size):
    rows, scores = scored
    for start in range(0, N_ROWS, size):
        part = np.arange(start, min(start + size, N_ROWS))
        yield (Batch(rows.slice(start, len(part)), part + 10),
               Scores(*(getattr(scores, name)[part] for name in Scores.__dataclass_fields__)))


@pytest.mark.parametrize("policy", ALL_POLICIES)
@pytest.mark.parametrize("size", [7, 500, 5_000])
def test_one_pass_in_batches_picks_what_the_policy_picks_of_the_whole(scored, policy, size, monkeypatch):
    monkeypatch.setattr(alerts, "CHUNK", 50)
    monkeypatch.setattr(shelf, "IN_MEMORY", 40)
    chosen, (rows, scores) = parse_policy(policy), scored
    read = scored_rows(scores, rows, SCHEMA, N_CALIBRATION)
    with AlertPool(chosen, rows.schema, SCHEMA, N_CALIBRATION) as pool:
        for batch, numbers in _batches(scored, size):
            pool.add(batch, numbers)
        found, cut = pool.alerts(), pool.cut()
    expected = np.flatnonzero(chosen.alerts(read))
    np.testing.assert_array_equal(found.row_numbers, expected + 10)
    np.testing.assert_array_equal(found.rows["x"].to_numpy(), expected)
    np.testing.assert_array_equal(found.scores.score, scores.score[expected])
    assert cut == chosen.cut(read)


@pytest.mark.parametrize(("policy", "most"), [("budget=10", 10), ("budget=2/day", 44), ("fdr=0.1", 700)])
def test_few_rows_are_kept_in_memory(scored, policy, most, monkeypatch):
    monkeypatch.setattr(alerts, "CHUNK", 50)
    monkeypatch.setattr(shelf, "IN_MEMORY", 40)
    with AlertPool(parse_policy(policy), scored[0].schema, SCHEMA, N_CALIBRATION) as pool:
        for batch, numbers in _batches(scored, 100):
            pool.add(batch, numbers)
            assert sum(len(part.positions) for part in pool.parts) <= 2 * most + 50 + 100
            assert pool.shelf.n_held <= 40


def test_an_empty_pool_has_no_alerts(scored):
    for policy in ALL_POLICIES:
        with AlertPool(parse_policy(policy), scored[0].schema, SCHEMA, N_CALIBRATION) as pool:
            found = pool.alerts()
            assert (len(found.row_numbers), found.rows.num_rows, pool.cut()) == (0, 0, {})


def test_what_lay_on_disk_is_gone_after_use(scored, monkeypatch):
    monkeypatch.setattr(shelf, "IN_MEMORY", 40)
    with AlertPool(parse_policy("alpha=0.2"), scored[0].schema, SCHEMA, N_CALIBRATION) as pool:
        for batch, numbers in _batches(scored, 500):
            pool.add(batch, numbers)
        assert pool.shelf.folder is not None
        folder = pool.shelf.folder.path
        assert list(folder.iterdir())
        assert pool.shelf.take(np.array([0, 41, pool.shelf.n_rows - 1])).num_rows == 3
    assert not folder.exists()


def test_times_with_a_zone_are_those_on_the_wall():
    late = pa.array(np.array(["2026-03-02T23:30"], "datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    rows = pa.table({"x": [1.0], "at": late.cast(pa.timestamp("us", "Europe/Berlin")), "channel": ["card"]})
    one = Scores(*[np.ones(1)] * 4)
    assert scored_rows(one, rows, SCHEMA, 9).times.astype("datetime64[m]").tolist() == np.array(
        ["2026-03-03T00:30"], "datetime64[m]").tolist()
