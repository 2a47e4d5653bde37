import numpy as np
import pytest

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.online_fdr import OnlineFdr, StreamState, lord_plus_plus, lord_weights, saffron, saffron_weights


def _stream(seed, n_rows=400):
    rng = np.random.default_rng(seed)
    strange = rng.random(n_rows) < 0.2
    return np.where(strange, 1e-4 * rng.random(n_rows) ** 3, rng.random(n_rows))


def _slow_lord(p, level, wealth):
    """Levels as Ramdas et al. (2017) write LORD++: a sum over rejections tau_j for each t."""
    taus, levels = [], []
    for t in range(1, len(p) + 1):
        a = wealth * lord_weights(np.array([float(t)]))[0]
        for j, tau in enumerate(taus):
            a += (level - wealth if j == 0 else level) * lord_weights(np.array([float(t - tau)]))[0]
        levels.append(a)
        if p[t - 1] <= a:
            taus.append(t)
    return np.array(levels)


def _slow_saffron(p, level, wealth, candidate):
    """Levels as Ramdas et al. (2018) write SAFFRON, with the counts C_j+ of candidates after each rejection."""
    taus, levels = [], []
    for t in range(1, len(p) + 1):
        def g(tau, t=t):
            after = sum(p[i - 1] <= candidate for i in range(tau + 1, t))
            return saffron_weights(np.array([float(t - tau - after)]))[0]
        a = wealth * g(0)
        for j, tau in enumerate(taus):
            a += (level - wealth if j == 0 else level) * g(tau)
        levels.append(min(candidate, (1 - candidate) * a))
        if p[t - 1] <= levels[-1]:
            taus.append(t)
    return np.array(levels)


@pytest.mark.parametrize("seed", range(3))
def test_levels_are_those_of_the_papers(seed):
    p = _stream(seed)
    for procedure, slow in (
        (lord_plus_plus(0.1), _slow_lord(p, 0.1, 0.05)), (lord_plus_plus(0.05, 0.01), _slow_lord(p, 0.05, 0.01)),
        (saffron(0.05), _slow_saffron(p, 0.05, 0.025, 0.5)),
        (saffron(0.1, 0.02, 0.3), _slow_saffron(p, 0.1, 0.02, 0.3)),
    ):
        alerts, levels, _ = procedure.decide(p)
        np.testing.assert_allclose(levels, slow, rtol=1e-12)
        np.testing.assert_array_equal(alerts, p <= slow)
        assert alerts.sum() > 20


@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_those_of_the_package_online_fdr(seed):
    package = pytest.importorskip("online_fdr.p_values")
    p = _stream(10 + seed, 1_000)
    for ours, theirs in (
        (lord_plus_plus(0.05), package.LordPlusPlus(alpha=0.05, wealth=0.025)),
        (saffron(0.05), package.Saffron(alpha=0.05, wealth=0.025, lambda_=0.5)),
    ):
        alerts = ours.decide(p)[0]
        assert alerts.tolist() == [theirs.test_one(float(value)) for value in p]
        assert alerts.any()


@pytest.mark.parametrize("procedure", [lord_plus_plus(0.1), saffron(0.1)], ids=["LORD++", "SAFFRON"])
def test_a_stream_cut_into_calls_is_decided_alike(procedure):
    p = _stream(3)
    whole, levels, end = procedure.decide(p)
    state, alerts, parts = StreamState(), [], []
    for part in np.split(p, [1, 2, 90, 90, 391]):
        before = state
        found, level, state = procedure.decide(part, state)
        assert procedure.decide(part, before)[2] == state  # what a call was given is not changed by it
        alerts += found.tolist()
        parts += level.tolist()
    assert alerts == whole.tolist()
    assert parts == levels.tolist()
    assert state == end


@pytest.mark.parametrize("weights", [lord_weights, saffron_weights])
def test_weights_fall_and_sum_to_at_most_one(weights):
    found = weights(np.arange(1.0, 1_000_001))
    assert (np.diff(found[2:]) < 0).all()
    assert 0.5 < found.sum() <= 1


@pytest.mark.parametrize("procedure", [lord_plus_plus(0.1), saffron(0.1)], ids=["LORD++", "SAFFRON"])
def test_the_share_of_false_alerts_stays_under_the_level(procedure):
    shares = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        strange = rng.random(500) < 0.1
        p = np.where(strange, 1e-3 * rng.random(500) ** 2, rng.random(500))
        alerts = procedure.decide(p)[0]
        shares.append((alerts & ~strange).sum() / max(alerts.sum(), 1))
    assert np.mean(shares) <= 0.1 + 2.33 * np.std(shares, ddof=1) / np.sqrt(len(shares))


def test_nonsense_is_refused():
    for wrong in ((0.0, 0.0, 0.0), (1.0, 0.5, 0.0), (0.1, 0.1, 0.0), (0.1, 0.05, 1.0), (0.1, 0.05, -0.1)):
        with pytest.raises(UsageError):
            OnlineFdr(*wrong, lord_weights)
    for p in ([-0.1], [1.1], [np.nan]):
        with pytest.raises(InputError):
            lord_plus_plus(0.1).decide(p)
