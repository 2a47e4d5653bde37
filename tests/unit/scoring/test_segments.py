import json
from collections import Counter

import numpy as np
import pytest
from crepes import ConformalClassifier
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.calibration import Calibration, p_values
from anomaly_cl.scoring.segments import POOLED, WHOLE, Segments

LABELS = np.array(["shop", "online", "atm", "rare", "odd", None], dtype=object)


def _rows(n, seed=0):
    rng = np.random.default_rng(seed)
    segments = rng.choice(LABELS, size=n, p=[0.4, 0.3, 0.2, 0.04, 0.03, 0.03])
    shift = np.array([{None: 0.0}.get(label, len(label or "")) for label in segments])
    return (rng.exponential(size=n) + shift).round(1), segments


def test_p_values_equal_crepes_mondrian():
    scores, segments = _rows(2000)
    new_scores, new_segments = _rows(300, seed=1)
    calibration = Calibration(smallest_segment=100).fit(scores, segments)
    bins, new_bins = calibration.segment_used(segments), calibration.segment_used(new_segments)
    assert set(bins) == {"shop", "online", "atm", POOLED}
    oracle = ConformalClassifier().fit(scores, bins=bins).predict_p(new_scores[:, None], bins=new_bins, smoothing=False)
    assert_allclose(calibration.p_value(new_scores, new_segments), oracle.ravel())


def test_a_segment_of_its_own_is_calibrated_as_if_alone():
    scores, segments = _rows(3000)
    calibration = Calibration().fit(scores, segments)
    alone = Calibration().fit(scores[segments == "atm"])
    far = np.linspace(0, 40, 300)
    atm = np.full(300, "atm")
    assert_array_equal(calibration.p_value(far, atm), alone.p_value(far))
    assert_array_equal(calibration.p_tail(far, atm), alone.p_tail(far))
    assert_array_equal(calibration.risk(far, atm), alone.risk(far))


def test_small_unseen_and_missing_segments_are_one_category():
    scores, segments = _rows(2000)
    calibration = Calibration().fit(scores, segments)
    pool = np.array([label in ("rare", "odd", None) for label in segments])
    expected = p_values([5.0, 5.0, 5.0, 5.0], scores[pool])
    others = ["rare", "never seen", None, float("nan")]
    assert_array_equal(calibration.p_value([5.0] * 4, np.array(others, dtype=object)), expected)
    assert calibration.segment_used(np.array(others, dtype=object)).tolist() == [POOLED] * 4


def test_where_even_the_pool_is_small_its_rows_meet_all_rows():
    scores, segments = np.arange(200.0), np.array(["shop"] * 150 + ["rare"] * 50, dtype=object)
    calibration = Calibration().fit(scores, segments)
    assert calibration.segment_used(["rare", "new", "shop"]).tolist() == [WHOLE, WHOLE, "shop"]
    assert_array_equal(calibration.p_value([170.0], ["rare"]), p_values([170.0], scores))
    assert calibration.most_compared_ == 200
    assert calibration.has_tail_
    assert not Calibration().fit(scores[:99], segments[:99]).has_tail_


def test_the_row_itself_counts_towards_the_smallest_segment():
    segments = np.array(["own"] * 4 + ["border"] * 3 + ["small"] * 2, dtype=object)
    calibration = Calibration(smallest_segment=4).fit(np.arange(9.0), segments)
    assert calibration.segment_used(["own", "border", "small"]).tolist() == ["own", "border", POOLED]
    assert_array_equal(calibration.p_value([5.5], ["border"]), p_values([5.5], [4.0, 5.0, 6.0]))
    # for another small segment, a border row would make 3 rows, not 4: it is of the pool
    assert_array_equal(calibration.p_value([5.5], ["small"]), p_values([5.5], [4.0, 5.0, 6.0, 7.0, 8.0]))


def test_p_values_are_exact_over_all_orders_of_a_small_bag():
    # whichever of the rows is the new one: at most a share alpha of a category's rows has p <= alpha
    segments = np.array(list("aaaabbbccd"), dtype=object)
    scores = np.random.default_rng(3).permutation(10).astype(float)
    found: dict[str, list[float]] = {}
    for new in range(10):
        rest = np.delete(np.arange(10), new)
        calibration = Calibration(smallest_segment=4).fit(scores[rest], segments[rest])
        name = calibration.segment_used(segments[[new]])[0]
        found.setdefault(name, []).append(calibration.p_value(scores[[new]], segments[[new]])[0])
    assert sorted(map(len, found.values())) == [4, 6]
    for p in found.values():
        for alpha in np.arange(1, 11) / 10:
            assert np.mean(np.array(p) <= alpha) <= alpha + 1e-12


def test_the_summary_says_what_each_segment_is_compared_with():
    scores, segments = _rows(2000)
    calibration = Calibration().fit(scores, segments)
    counts = Counter(segments)
    lines = calibration.segments_
    json.dumps(lines)
    assert [(line["segment"], line["rows"]) for line in lines[:-1]] == _without_missing(counts)
    assert (lines[-1]["segment"], lines[-1]["rows"]) == (None, counts[None])
    used = {line["segment"]: line["compared_with"] for line in lines}
    assert used == {"shop": "shop", "online": "online", "atm": "atm", "rare": POOLED, "odd": POOLED, None: POOLED}
    pool = counts["rare"] + counts["odd"] + counts[None]
    assert {line["compared_rows"] for line in lines if line["compared_with"] == POOLED} == {pool}
    assert all("tail" in line["tail"] for line in lines)
    assert calibration.most_compared_ == counts["shop"]
    assert Calibration().fit(scores).segments_ == []
    assert Calibration().fit(scores).most_compared_ == 2000


def _without_missing(counts):
    return [(label, n) for label, n in counts.most_common() if label is not None]


@pytest.mark.parametrize("n", [60, 2500])
def test_a_segmented_calibration_returns_from_its_state(n):
    scores, segments = _rows(n)
    calibration = Calibration(smallest_segment=20).fit(scores, segments)
    other = Calibration.from_state(calibration.to_state())
    far, labels = np.linspace(0, 60, 400), np.random.default_rng(5).choice(LABELS, 400)
    assert_array_equal(other.p_value(far, labels), calibration.p_value(far, labels))
    assert_array_equal(other.p_tail(far, labels), calibration.p_tail(far, labels))
    assert other.segments_ == calibration.segments_
    assert other.smallest_segment == 20


def test_the_order_of_calibration_rows_does_not_matter():
    scores, segments = _rows(800)
    order = np.random.default_rng(1).permutation(800)
    one, two = Calibration().fit(scores, segments), Calibration().fit(scores[order], segments[order])
    far = np.linspace(0, 30, 100)
    for label in ("shop", "rare"):
        assert_array_equal(one.p_tail(far, [label] * 100), two.p_tail(far, [label] * 100))


def test_rows_do_not_see_each_other():
    calibration = Calibration().fit(*_rows(2000))
    scores, segments = _rows(200, seed=2)
    scores = scores * 3
    together = calibration.p_tail(scores, segments)
    alone = [calibration.p_tail(scores[i:i + 1], segments[i:i + 1])[0] for i in range(200)]
    assert_array_equal(together, alone)
    assert calibration.p_tail([], []).shape == (0,)


def test_segments_are_given_at_both_or_neither():
    scores, segments = _rows(300)
    with pytest.raises(InputError, match="needs the segment"):
        Calibration().fit(scores, segments).p_value([1.0])
    with pytest.raises(InputError, match="fitted without"):
        Calibration().fit(scores).p_value([1.0], ["shop"])
    with pytest.raises(InputError, match="fitted without"):
        Calibration().fit(scores).segment_used(["shop"])


@pytest.mark.parametrize("bad", [[1], ["a", "b"], [["a"]], [("a",)]])
def test_segments_are_one_text_a_row(bad):
    with pytest.raises(InputError):
        Calibration().fit([1.0], bad)


def test_a_smallest_segment_is_at_least_one_row():
    with pytest.raises(UsageError):
        Segments.of(["a"], 1, 0)
