import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors.policies import DEFAULT_POLICY, known_before, resolve, scored_rows
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.errors import PolicyWarning, UsageError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.fdr import Fdr
from anomaly_cl.scoring.policy import Known

BARE = Schema((Column("x", "numeric", "double"),))
FULL = Schema((*BARE.columns, Column("at", "datetime", "timestamp[us]", "time"),
               Column("shop", "numeric", "int64", "segment")))


def test_what_is_known_before_scoring_comes_from_calibration_and_schema():
    few, many = (Calibration().fit(np.random.default_rng(0).exponential(size=n)) for n in (50, 2_000))
    assert known_before(few, BARE) == Known(50)
    assert known_before(many, FULL, 7) == Known(2_000, 7, tail=True, times=True, segments=True)


def test_a_text_is_resolved_and_checked():
    assert resolve("fdr=0.05,share=0.5", Known(999)) == Fdr(0.05, share=0.5)
    assert resolve(Fdr(0.05, share=0.5), Known(999)) == Fdr(0.05, share=0.5)
    for text in ("alpha=0.001", "budget=1/day", "fdr=0.05,tail", "nothing=1"):
        with pytest.raises(UsageError):
            resolve(text, Known(100))


def test_the_default_warns_where_it_can_never_alert():
    assert resolve(None, Known(99)) == DEFAULT_POLICY
    with pytest.warns(PolicyWarning, match="no row can be alerted"):
        assert resolve(None, Known(98)) == DEFAULT_POLICY


def test_scored_rows_carry_times_and_segments_of_any_type():
    one = Scores(*(np.array([0.5, 0.25]) for _ in range(4)))
    for at in (pa.timestamp("s"), pa.timestamp("ns"), pa.date32()):
        day = pa.array(["2026-03-02", None]).cast(pa.date32() if at == pa.date32() else pa.timestamp("us")).cast(at)
        rows = scored_rows(one, pa.table({"x": [1.0, 2.0], "at": day, "shop": [7, None]}), FULL, 9)
        assert rows.times.tolist() == [np.datetime64("2026-03-02", "us").item(), None]
        assert rows.segments.tolist() == ["7", None]
        assert rows.n_calibration == 9
    empty = scored_rows(Scores(*[np.zeros(0)] * 4), pa.table({"x": [], "at": [], "shop": []}), FULL, 9)
    assert (len(empty.times), len(empty.segments)) == (0, 0)
    bare = scored_rows(one, pa.record_batch({"x": [1.0, 2.0]}), BARE, 9)
    assert bare.times is None
    assert bare.segments is None
