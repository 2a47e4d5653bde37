import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.scoring.fusion import FusedSurprise, Surprise

ANY = st.floats(-1e150, 1e150, allow_nan=False)
SAMPLES = st.one_of(
    st.lists(ANY, min_size=1, max_size=60),
    st.lists(st.integers(0, 3).map(float), min_size=1, max_size=200),
    st.builds(lambda seed, n: np.random.default_rng(seed).lognormal(size=n).tolist(), st.integers(0, 99),
              st.integers(1, 3000)),
)


@given(SAMPLES, st.lists(ANY, min_size=2, max_size=20))
def test_surprise_never_falls_and_is_finite(sample, distances):
    surprise = Surprise().fit(sample)
    found = surprise(np.sort([*distances, *sample[:20]]))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found) >= 0).all()


@given(st.integers(0, 99), st.integers(1, 3000), st.lists(st.floats(0, 1e9), min_size=2, max_size=20))
def test_different_distances_have_different_surprises(seed, n, distances):
    surprise = Surprise().fit(np.random.default_rng(seed).lognormal(size=n))
    distances = np.unique(np.round(distances, 6))
    assert (np.diff(surprise(distances)) > 0).all()


def test_surprise_is_minus_log_of_the_share_of_rows_at_least_as_far():
    rng = np.random.default_rng(0)
    surprise = Surprise().fit(rng.exponential(size=5000))
    p = np.array([0.9, 0.5, 0.2, 0.1, 0.05, 0.01])
    assert_allclose(np.exp(-surprise(-np.log(p))), p, rtol=0.25)
    assert_allclose(surprise(-np.log([1e-4, 1e-6])), -np.log([1e-4, 1e-6]), rtol=0.25)


def test_inside_the_surprise_equals_the_mid_ranks():
    sample = np.array([1.0, 2.0, 2.0, 2.0, 5.0])
    found = Surprise().fit(sample)([1.0, 2.0, 5.0, 3.5])
    knots = -np.log(np.array([5, 3, 1]) / 6)
    assert_allclose(found, [*knots, (knots[1] + knots[2]) / 2])


@pytest.mark.parametrize("sample", [[3.0], [0.0], [0.0] * 50, [1.0, 2.0], [1.0, 1.0, 1.0, 1.0, 9.0], [7.0] * 5000])
def test_few_or_equal_distances_still_rank(sample):
    surprise = Surprise().fit(sample)
    steps = max(sample) + np.array([0, 0.001, 0.01, 1, 10, 1e3, 1e9])
    assert (np.diff(surprise(steps)) > 0).all()
    assert surprise(steps[1:])[0] >= np.log(len(sample) + 1)
    if min(sample) > 0:
        assert (np.diff(surprise(np.linspace(0, min(sample), 5))) > 0).all()


def test_heavier_tails_are_less_surprising_far_out():
    rng = np.random.default_rng(0)
    light, heavy = Surprise().fit(rng.exponential(size=2000)), Surprise().fit(rng.pareto(1.0, size=2000))
    assert heavy([1000.0]) < light([1000.0])


def test_a_thinned_curve_stays_close_to_the_ranks():
    sample = np.random.default_rng(0).lognormal(size=20_000)
    surprise = Surprise().fit(sample)
    assert len(surprise.knots_) <= 512
    x = np.quantile(sample, np.linspace(0.01, 0.89, 50))
    share = np.array([(sample >= value).mean() for value in x])
    assert_allclose(np.exp(-surprise(x)), share, atol=1e-3)


def test_surprise_does_not_depend_on_other_rows_and_returns_from_its_state():
    rng = np.random.default_rng(0)
    surprise = Surprise().fit(rng.lognormal(size=900))
    x = rng.lognormal(1, 2, size=2000)
    whole = surprise(x)
    assert_array_equal(np.concatenate([surprise(x[i:i + 1]) for i in range(len(x))]), whole)
    state = surprise.to_state()
    json.dumps({name: value for name, value in state.items() if not isinstance(value, np.ndarray)})
    for other in (Surprise.from_state(state), pickle.loads(pickle.dumps(surprise))):
        assert_array_equal(other(x), whole)


def test_the_mean_is_taken_over_heads_row_by_row():
    rng = np.random.default_rng(0)
    names = [f"head {i}" for i in range(11)]
    held_out = {name: rng.exponential(size=200) for name in names}
    rows = {name: rng.exponential(size=50) * 3 for name in names}
    fused = FusedSurprise().fit(held_out)
    whole, parts = fused(rows), fused.per_head(rows)
    assert_array_equal(parts["head 3"], Surprise().fit(held_out["head 3"])(rows["head 3"]))
    assert_allclose(whole, np.mean(list(parts.values()), axis=0))
    assert_array_equal(np.concatenate([fused({n: d[i:i + 1] for n, d in rows.items()}) for i in range(50)]), whole)
    backwards = {name: rows[name] for name in reversed(names)}
    assert_array_equal(fused(backwards), whole)
    state = fused.to_state()
    state["heads"] = {name: state["heads"][name] for name in reversed(names)}
    assert_array_equal(FusedSurprise.from_state(state)(rows), whole)


def test_heads_in_other_units_weigh_the_same():
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=(2, 300))
    one = FusedSurprise().fit({"a": a, "b": b})
    other = FusedSurprise().fit({"a": a * 1000, "b": b})
    assert_allclose(other({"a": a * 2000, "b": b}), one({"a": a * 2, "b": b}))


def test_fusion_refuses_what_it_cannot_fuse():
    fused = FusedSurprise().fit({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    for bad in ({"a": [1.0]}, {"a": [1.0], "c": [1.0]}, {"a": [1.0], "b": [1.0, 2.0]}, {"a": [1.0], "b": [np.nan]}):
        with pytest.raises(InputError):
            fused(bad)
    for bad in ({}, {"a": []}, {"a": [np.inf]}):
        with pytest.raises(InputError):
            FusedSurprise().fit(bad)


def test_weights_are_relative():
    rng = np.random.default_rng(0)
    known, new = ({"a": rng.exponential(size=50), "b": rng.exponential(size=50)} for _ in range(2))
    fused = FusedSurprise().fit(known, {"a": 3.0})
    parts = fused.per_head(new)
    assert_allclose(fused(new), (3 * parts["a"] + parts["b"]) / 4)
    assert_allclose(FusedSurprise().fit(known, {"a": 6.0, "b": 2.0})(new), fused(new))
    assert_allclose(FusedSurprise.from_state(fused.to_state())(new), fused(new))
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(UsageError):
            FusedSurprise().fit(known, {"a": bad})


def test_heads_may_learn_their_surprise_from_different_rows():
    fused = FusedSurprise().fit({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0]})
    apart = Surprise().fit([1.0, 2.0, 3.0])([2.5]) + Surprise().fit([1.0, 2.0])([0.5])
    assert_allclose(fused({"a": [2.5], "b": [0.5]}), apart / 2)
