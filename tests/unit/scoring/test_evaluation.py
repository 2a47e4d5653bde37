import numpy as np
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.evaluation import evaluate


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
