import numpy as np
import pandas as pd
import pytest
from made_up_series import WINDOW, frame, machines, waves

from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.spans import SpanRules

NEW = waves(150, 1, channels=2)


@pytest.fixture(scope="module")
def of_frames():
    return SeriesDetector(time="at", members=0).fit(frame(waves(400, channels=2)))


@pytest.fixture(scope="module")
def of_machines():
    return SeriesDetector(entity="machine", time="at", members=0).fit(machines())


def test_spans_name_where_when_and_which_channel(of_frames):
    strange = NEW.copy()
    strange[70:80, 1] += 4
    scored = of_frames.score(frame(strange), "alpha=0.1")
    spans = of_frames.spans(scored)
    worst = spans.loc[spans["score"].idxmax()]
    times = frame(strange)["at"]
    assert times[70 - 2 * WINDOW] <= worst["start"] <= times[70]
    assert times[79] <= worst["end"] <= times[79 + 2 * WINDOW]
    assert worst["start"] <= worst["peak"] <= worst["end"]
    assert worst["steps"] == (worst["end"] - worst["start"]) / pd.Timedelta("1min") + 1
    assert worst["channels"][0] == "c1"
    assert worst["score"] == scored["score"].max()
    assert worst["p_value"] == 1 / (len(of_frames.span_maxima_) + 1)


def alerts(steps, n=40, start="2026-03-01"):
    """A scored frame that alerts at these steps."""
    return pd.DataFrame({"at": pd.Timestamp(start) + pd.to_timedelta(np.arange(n), unit="min"),
                         "score": np.arange(n) / n, "alert": np.isin(np.arange(n), steps), "reasons": None})


def lengths(spans):
    return spans["steps"].tolist()


def test_spans_are_merged_and_dropped_by_the_rules(of_frames):
    scored = alerts([3, 4, 7, 20, 30, 31])
    assert lengths(of_frames.spans(scored, SpanRules(1, 1))) == [2, 1, 1, 2]
    assert lengths(of_frames.spans(scored, SpanRules(3, 1))) == [5, 1, 2]
    assert lengths(of_frames.spans(scored, SpanRules(3, 2))) == [5, 2]
    assert lengths(of_frames.spans(scored)) == [5, 1, 2]  # merged under a quarter of a window
    assert lengths(of_frames.spans(alerts([]))) == []


def test_rows_that_are_not_there_are_quiet_steps(of_frames):
    scored = alerts([3, 8])
    assert lengths(of_frames.spans(scored.drop(index=range(4, 8)), SpanRules(4, 1))) == [1, 1]
    assert lengths(of_frames.spans(scored.drop(index=range(4, 8)), SpanRules(5, 1))) == [6]


def test_centuries_between_two_alerts_take_no_memory(of_frames):
    scored = pd.concat([alerts([3], start="1700-01-01"), alerts([5, 6], start="2200-01-01")], ignore_index=True)
    spans = of_frames.spans(scored)
    assert lengths(spans) == [1, 2]
    assert spans["start"].dt.year.tolist() == [1700, 2200]


def test_spans_of_machines_are_apart(of_machines):
    scored = pd.concat([alerts([3]).assign(machine="b"), alerts([4, 5]).assign(machine="a")])
    spans = of_machines.spans(scored)
    assert spans["machine"].tolist() == ["a", "b"]
    assert lengths(spans) == [2, 1]


def test_spans_need_what_score_gave(of_frames):
    with pytest.raises(UsageError, match="reasons"):
        of_frames.spans(alerts([3]).drop(columns="reasons"))
