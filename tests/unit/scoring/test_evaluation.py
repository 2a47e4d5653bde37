import numpy as np
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.evaluation import evaluate, precision_recall_points, recall_by_kind


def test_rates_are_those_counted_by_hand():
    found = evaluate([1, 1, 0, 0, 0], [5.0, 1.0, 4.0, 0.5, 0.2], [True, False, True, False, False])
    assert (found.rows, found.anomalies, found.alerts) == (5, 2, 2)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.false_alarm_rate == pytest.approx(1 / 3)
    assert found.alert_rate == pytest.approx(0.4)
    pairs = [(a > n) for a in (5.0, 1.0) for n in (4.0, 0.5, 0.2)]
    assert found.auc_roc == pytest.approx(np.mean(pairs))
    assert found.auc_pr == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_without_alerts_there_is_no_precision():
    assert evaluate([0, 1], [0.0, 1.0], [False, False]).precision is None


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], [0, 2]])
def test_other_labels_are_refused(labels):
    with pytest.raises(InputError, match="0 and 1"):
        evaluate(labels, [0.0, 1.0], [True, False])


def test_recall_by_kind_counts_the_anomalies_of_each_kind_alone():
    rng = np.random.default_rng(0)
    labels, kinds, alerts = (rng.random(500) < .4).astype(float), rng.integers(-1, 4, 500), rng.random(500) < .3
    found = recall_by_kind(labels, kinds, alerts)
    assert sorted(found) == [-1, 0, 1, 2, 3]
    for kind, recall in found.items():
        rows = (labels == 1) & (kinds == kind)
        assert (recall.rows, recall.recall) == (rows.sum(), pytest.approx(alerts[rows].mean()))


@pytest.mark.parametrize("n", [2, 50, 20_000])
def test_points_of_the_curve_are_precision_and_recall_at_thresholds_and_few(n):
    rng = np.random.default_rng(n)
    labels = np.r_[0.0, 1.0, rng.random(n - 2) < .1].astype(float)
    scores = rng.normal(size=n).round(3) + labels
    share, recall = precision_recall_points(labels, scores)
    assert len(recall) <= 500
    assert (np.diff(recall) >= 0).all()
    assert recall[-1] == 1
    thresholds = np.unique(scores)[::-1]
    exact = {(labels[scores >= t].mean().round(12), (labels[scores >= t].sum() / labels.sum()).round(12))
             for t in thresholds}
    assert {(p.round(12), r.round(12)) for p, r in zip(share, recall, strict=True)} <= exact
    if n == 20_000:  # thinned, it bounds the same area
        area = (share[1:] * np.diff(recall)).sum() + share[0] * recall[0]
        assert area == pytest.approx(evaluate(labels, scores, labels == 1).auc_pr, abs=.005)
