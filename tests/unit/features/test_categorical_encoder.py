import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.features import categorical
from anomaly_cl.features.categorical import CategoricalEncoder


def fitted(values):
    return CategoricalEncoder().fit(pa.array(values))


def points(encoder, values):
    return encoder.transform(pa.array(values, pa.string())).spaces["standard"]


def tails(encoder, values):
    return encoder.transform(pa.array(values, pa.string())).tail


def squared(a, b):
    return float(np.square(a - b).sum())


def test_two_different_categories_are_exactly_two_apart_when_one_hot():
    encoder = fitted(["a"] * 5 + ["b"] * 4 + ["c"] * 3)
    a, b, c, new = points(encoder, ["a", "b", "c", "new"])
    assert {squared(p, q) for p, q in [(a, b), (b, c), (a, new), (c, new)]} == {2.0}


def test_many_categories_get_signs_about_two_apart_and_unknown_exactly_two_from_all():
    names = [f"m{i}" for i in range(300)]
    encoder = fitted(names * 2)
    encoded = points(encoder, names)
    assert encoded.shape == (300, 17)
    distances = np.square(encoded[:, None] - encoded[None]).sum(-1)[np.triu_indices(300, 1)]
    assert distances.mean() == pytest.approx(2, abs=0.05)
    assert (distances == 0).mean() < 0.001
    unknown = points(encoder, ["never"])
    np.testing.assert_allclose(np.square(encoded - unknown).sum(-1), 2)


def test_the_signs_of_a_category_depend_on_its_text_alone():
    a = points(fitted([f"m{i}" for i in range(40)] * 2), ["m7"])
    b = points(fitted([f"m{i}" for i in range(7, 90)] * 3), ["m7"])
    np.testing.assert_array_equal(a, b)
    signs = "".join("+" if value > 0 else "-" for value in a[0, :16])
    assert signs == "+--+++--++++-+--", "the stable hash changed: stored models would be misread"


def test_seldom_seen_categories_share_the_rare_code_apart_from_unknown_ones():
    encoder = fitted(["a"] * 50 + ["b"] * 40 + ["once", "only"])
    once, only, new, a = points(encoder, ["once", "only", "new", "a"])
    np.testing.assert_array_equal(once, only)
    assert squared(once, new) == squared(once, a) == 2
    assert tails(encoder, ["once"]) == pytest.approx(-np.log(3 / (92 + 4)))


def test_surprise_is_minus_the_log_of_the_smoothed_share_and_largest_when_unseen():
    encoder = fitted(["a"] * 6 + ["b"] * 3 + [None] * 2)
    np.testing.assert_allclose(
        tails(encoder, ["a", "b", None, "new"]), -np.log(np.array([7, 4, 3, 1]) / (11 + 4))
    )


def test_missing_is_a_category_of_its_own_or_unknown_if_never_seen():
    seen, unseen = fitted(["a", "a", None]), fitted(["a", "a"])
    a, missing, new = points(seen, ["a", None, "new"])
    assert squared(a, missing) == squared(missing, new) == 2
    np.testing.assert_array_equal(*points(unseen, [None, "new"]))


def test_typical_is_the_most_frequent_category():
    assert fitted(["b", "a", "b"]).typical_ == "b"
    assert fitted(["a", None, None]).typical_ is None


def test_beyond_the_cap_categories_are_unknown_and_unknown_is_then_no_surprise(monkeypatch):
    monkeypatch.setattr(categorical, "N_REMEMBERED", 3)
    encoder = fitted(["a"] * 9 + ["b"] * 8 + ["c"] * 7 + ["d"] * 3 + ["e"] * 3)
    d, e, new, a = points(encoder, ["d", "e", "new", "a"])
    np.testing.assert_array_equal(d, new)
    np.testing.assert_array_equal(e, new)
    assert squared(a, new) == 2
    assert tails(encoder, ["new"]) == pytest.approx(-np.log(7 / (30 + 4)))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True, False, None, True]),
        pa.array([1, 2, None, 1], pa.int64()),
        pa.array(["x", "y", None, "x"]).dictionary_encode(),
        pa.array(["x", "y", None, "x"], pa.large_string()),
        pa.array([None, None], pa.string()),
        pa.array(["", " ", "\x00", "ü", "𝄞"]),
    ],
)
def test_arrow_types_that_hold_categories_are_read(array):
    block = CategoricalEncoder().fit(array).transform(array)
    assert np.isfinite(block.spaces["rank"]).all()
    assert np.isfinite(block.tail).all()


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=60), st.lists(st.none() | st.text(max_size=3)))
def test_equal_values_get_equal_points_and_nothing_fails(fit_values, values):
    encoder = CategoricalEncoder().fit(pa.array(fit_values, pa.string()))
    encoded, surprise = points(encoder, values + values), tails(encoder, values)
    np.testing.assert_array_equal(encoded[: len(values)], encoded[len(values) :])
    assert (surprise >= 0).all()
    assert (surprise <= encoder.surprises_[-1]).all()
