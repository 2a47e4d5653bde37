"""Spans found in series against spans of labels, by a slow count."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.cli.judged_series import FoundSpans, judge_series, read_spans
from anomaly_cl.cli.labelled_rows import LabelledRows
from anomaly_cl.errors import InputError
from anomaly_cl.scoring.range_evaluation import vus

STEP = 60_000_000
ABOUT = {"entity": "who", "time": "at", "step_us": STEP, "longest_gap": 3, "window": 8}
START = pd.Timestamp("2026-01-01")


def instant(step):
    return START + pd.Timedelta(int(step), "min")


def scored(entities=("a", "b", "c"), steps=120, seed=0, tz=None):
    """Steps with random scores, and runs of labels of two kinds, in any order of rows."""
    rng, frames = np.random.default_rng(seed), []
    for name in entities:
        label, kind = np.zeros(steps, int), np.full(steps, None, object)
        for first in rng.choice(np.arange(5, steps - 10, 12), 4, replace=False):
            length = int(rng.integers(1, 8))
            label[first:first + length], kind[first:first + length] = 1, str(rng.choice(["spike", "drift"]))
        frames.append(pd.DataFrame({"at": [instant(step) for step in range(steps)], "who": name,
                                    "score": rng.exponential(size=steps) + label, "alert": rng.random(steps) < 0.1,
                                    "bad": label, "kind": kind}))
    rows = pd.concat(frames).sample(frac=1, random_state=seed)
    rows["at"] = rows["at"].dt.tz_localize(tz)
    return rows


def spans_of(lines, tz=None, about=ABOUT):
    frame = pd.DataFrame(lines, columns=["who", "start", "end"])
    for name in ("start", "end"):
        frame[name] = pd.to_datetime([instant(step) for step in frame[name]]).tz_localize(tz)
    return FoundSpans(pa.Table.from_pandas(frame, preserve_index=False), about)


def labelled(rows):
    return LabelledRows(pa.Table.from_pandas(rows, preserve_index=False), "bad")


def true_runs(rows):
    """(entity, first step, last step, kind) of each run of labels, by walking the steps."""
    runs = []
    for name, part in rows.groupby("who"):
        before = None
        for row in part.sort_values("at").itertuples():
            step = int((row.at - part["at"].min()) / pd.Timedelta("1min"))
            if row.bad == 1 and before == (1, row.kind, step - 1):
                runs[-1][2] = step
            elif row.bad == 1:
                runs.append([name, step, step, row.kind])
            before = (row.bad, row.kind, step)
    return runs


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_are_those_of_a_slow_count(seed, tz):
    rows, rng = scored(seed=seed, tz=tz), np.random.default_rng(seed + 10)
    lines = [(str(rng.choice(["a", "b", "c"])), start, start + int(rng.integers(0, 6)))
             for start in rng.integers(0, 110, 9)]
    found, true = judge_series(labelled(rows), spans_of(lines, tz), "kind"), true_runs(rows)

    def meet(one, other):
        return one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]

    hits = [any(meet(span, line) for line in lines) for span in true]
    assert (found.spans_found, found.spans_true) == (9, len(true))
    assert found.precision == pytest.approx(np.mean([any(meet(line, span) for span in true) for line in lines]))
    assert found.recall == pytest.approx(np.mean(hits))
    for kind in ("spike", "drift"):
        of_kind = [hit for hit, span in zip(hits, true, strict=True) if span[3] == kind]
        assert found.recall_by_kind.get(kind) == (pytest.approx(np.mean(of_kind)) if of_kind else None)


def test_volumes_are_the_mean_over_entities_that_have_both_labels():
    rows = scored()
    rows.loc[rows["who"] == "c", "bad"] = 0
    expected = []
    for name in ("a", "b"):
        part = rows[rows["who"] == name].sort_values("at")
        expected.append(vus(part["bad"], part["score"], 8))
    found = judge_series(labelled(rows), spans_of([("a", 0, 3)]))
    assert (found.vus_pr, found.vus_roc) == pytest.approx(tuple(np.mean(expected, axis=0)))
    assert found.entities == 3
    assert found.recall_by_kind == {}


def test_a_long_gap_parts_two_true_spans_and_a_short_one_does_not():
    rows = scored(("a",), seed=1).sort_values("at").assign(bad=0)
    rows.loc[rows["at"].between(instant(20), instant(60)), "bad"] = 1
    for absent, spans in ((3, 1), (5, 2)):
        kept = rows[~rows["at"].between(instant(40), instant(40 + absent - 1))]
        assert judge_series(labelled(kept), spans_of([])).spans_true == spans


def test_spans_of_steps_without_a_label_are_left_out_and_counted():
    rows = scored(("a",)).assign(bad=lambda rows: rows["bad"].astype(float))
    rows.loc[rows["at"] >= instant(60), "bad"] = np.nan
    found = judge_series(labelled(rows), spans_of([("a", 5, 6), ("a", 58, 70), ("a", 80, 90), ("z", 1, 2)]))
    assert (found.spans_found, found.spans_without_label) == (2, 2)
    assert "spans_without_label" in found.pairs()


def test_nothing_found_has_no_precision():
    found = judge_series(labelled(scored()), spans_of([]))
    assert (found.precision, found.recall) == (None, 0.0)
    assert found.pairs()["precision"] == "-"


def test_a_series_without_entities_is_one():
    rows = scored(("a",)).drop(columns="who")
    found = judge_series(labelled(rows), spans_of([("a", 0, 119)], about=ABOUT | {"entity": None}))
    assert (found.precision, found.recall, found.entities) == (1.0, 1.0, 1)


def test_another_file_is_no_file_of_spans(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="beside a scored file of series"):
        read_spans(tmp_path / "x.parquet")


def test_times_that_are_no_times_are_refused():
    rows = scored(("a",))
    rows["at"] = "noon"
    with pytest.raises(InputError, match="as it was written"):
        judge_series(labelled(rows), spans_of([]))
