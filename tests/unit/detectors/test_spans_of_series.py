"""Spans of scored steps."""

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.spans import SpanRules, find_spans
from tests.unit.detectors.made_up_readings import STRANGE, readings, untrained


@pytest.fixture(scope="module")
def detector():
    return untrained(readings())


def made_up_scores(seconds, alert, score):
    reasons = [[{"column": "heat", "contribution": float(value)}] if flag else None
               for flag, value in zip(alert, score, strict=True)]
    return pd.DataFrame({"at": pd.Timestamp("2026-01-01") + pd.to_timedelta(seconds, unit="s"), "who": "a",
                         "score": score, "alert": alert, "reasons": pd.Series(reasons, dtype=object)})


def test_spans_are_those_of_all_steps_at_once(detector):
    rng = np.random.default_rng(3)
    score = rng.exponential(size=600)
    alert = score > np.quantile(score, 0.9)
    for gap in (1, 3, 20):
        expected = find_spans(alert, score, SpanRules(gap, 1))
        found = detector.spans(made_up_scores(np.arange(600) * 60, alert, score), SpanRules(gap, 1))
        steps = [((found[name] - pd.Timestamp("2026-01-01")) / pd.Timedelta("1min")).astype(int)
                 for name in ("start", "end", "peak")]
        assert list(zip(*steps, strict=True)) == [(span.start, span.end, span.peak) for span in expected]
        assert found["steps"].tolist() == [len(span) for span in expected]


def test_alerts_of_different_centuries_take_no_memory_for_the_steps_between(detector):
    scored = made_up_scores([0, 60, 4e9, 4e9 + 60], [True] * 4, [3.0, 4.0, 6.0, 5.0])
    found = detector.spans(scored)
    assert found["steps"].tolist() == [2, 2]
    assert found["score"].tolist() == [4.0, 6.0]


def test_the_peak_is_an_alerted_step_though_a_quiet_one_within_scores_higher(detector):
    found = detector.spans(made_up_scores([0, 60, 120], [True, False, True], [3.0, 9.0, 2.0]), SpanRules(2, 1))
    assert (len(found), found["score"].iloc[0], found["peak"].iloc[0]) == (1, 3.0, pd.Timestamp("2026-01-01"))


def test_a_strange_stretch_is_one_span_of_its_channel(detector):
    rows = readings()
    found = detector.spans(detector.score(rows))
    strange = rows.iloc[len(rows) // 2:].iloc[STRANGE]
    worst = found.sort_values("score").iloc[-1]
    assert worst["who"] == "b"
    assert worst["channels"][0] == "heat"
    assert worst["start"] <= strange["at"].iloc[0]
    assert worst["end"] >= strange["at"].iloc[-1]


def test_spans_need_what_score_gave(detector):
    with pytest.raises(UsageError, match="reasons"):
        detector.spans(detector.score(readings()).drop(columns="reasons"))
