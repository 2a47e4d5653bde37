import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.confirmed import CLOSEST, MOST_NORMAL_ROWS, REGULARISATION, LikeConfirmedHead, NearConfirmedHead

RNG = np.random.default_rng(0)
NORMAL, ANOMALIES, ROWS = RNG.normal(size=(120, 4)), RNG.normal(3, 1, size=(6, 4)), RNG.normal(1, 2, size=(30, 4))
HEADS = [NearConfirmedHead, LikeConfirmedHead]


def test_nearness_is_the_log_ratio_of_distances():
    expected = []
    for row in ROWS:
        normal = np.sort(np.linalg.norm(NORMAL - row, axis=1))[:5].mean()
        expected.append(np.log(normal / np.linalg.norm(ANOMALIES - row, axis=1).min()))
    assert_allclose(NearConfirmedHead(ANOMALIES).fit(NORMAL).distances(ROWS), expected)


def test_a_row_that_equals_an_anomaly_is_finitely_near():
    head = NearConfirmedHead(ANOMALIES).fit(NORMAL)
    apart = np.linalg.norm(NORMAL[:, None] - NORMAL, axis=2) + np.diag(np.full(len(NORMAL), np.inf))
    closest = CLOSEST * np.median(apart.min(axis=1))
    normal = np.sort(np.linalg.norm(NORMAL - ANOMALIES[0], axis=1))[:5].mean()
    assert_allclose(head.distances(ANOMALIES[:1]), np.log(normal / closest))
    constant = NearConfirmedHead(np.ones((1, 2))).fit(np.ones((9, 2)))
    assert_array_equal(constant.distances(np.ones((1, 2))), 0)


def test_likeness_is_the_plane_of_least_balanced_penalised_loss():
    head = LikeConfirmedHead(ANOMALIES).fit(NORMAL)
    centre, scale = NORMAL.mean(axis=0), NORMAL.std(axis=0)
    rows = (np.concatenate([NORMAL, ANOMALIES]) - centre) / scale
    side = np.repeat([-1, 1], [len(NORMAL), len(ANOMALIES)])
    weight = np.repeat([len(rows) / (2 * len(NORMAL)), len(rows) / (2 * len(ANOMALIES))], [len(NORMAL), len(ANOMALIES)])

    def loss(w):
        return w[:-1] @ w[:-1] / 2 + REGULARISATION * weight @ np.logaddexp(0, -side * (rows @ w[:-1] + w[-1]))

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert_allclose(head.distances(ROWS), (ROWS - centre) / scale @ best[:-1] + best[-1], rtol=2e-2, atol=2e-2)


def test_likeness_learns_from_a_bounded_number_of_rows_and_far_values_pull_no_more():
    many = RNG.normal(size=(2 * MOST_NORMAL_ROWS, 3))
    head = LikeConfirmedHead(np.full((2, 3), 4.0)).fit(many)
    fewer = LikeConfirmedHead(np.full((2, 3), 4.0)).fit(many[::2])
    assert_array_equal(head.distances(ROWS[:, :3]), fewer.distances(ROWS[:, :3]))
    assert_array_equal(head.distances([[1e9, 1e9, 1e9]]), head.distances([[1e6, 1e6, 1e6]]))


@pytest.mark.parametrize("head", HEADS)
def test_one_anomaly_is_enough_and_constant_columns_do_no_harm(head):
    normal, anomaly = np.column_stack([NORMAL, np.ones(120)]), np.append(ANOMALIES[0], 1)[None]
    assert head(anomaly).fit(normal).distances(anomaly) > head(anomaly).fit(normal).distances(normal).max()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [1, 7])
def test_a_row_does_not_see_the_others(head, size):
    fitted = head(ANOMALIES.astype(np.float32)).fit(NORMAL.astype(np.float32))
    rows = ROWS.astype(np.float32)
    parts = [fitted.distances(rows[i:i + size]) for i in range(0, len(rows), size)]
    assert_array_equal(np.concatenate(parts), fitted.distances(rows))


@pytest.mark.parametrize("head", HEADS)
def test_a_state_gives_the_same_distances(head):
    fitted = head(ANOMALIES).fit(NORMAL)
    assert_array_equal(head.from_state(fitted.to_state()).distances(ROWS), fitted.distances(ROWS))


@pytest.mark.parametrize("head", HEADS)
def test_anomalies_are_asked_for_and_finite(head):
    for anomalies in (np.empty((0, 4)), np.full((1, 4), np.nan)):
        with pytest.raises(InputError):
            head(anomalies).fit(NORMAL)
