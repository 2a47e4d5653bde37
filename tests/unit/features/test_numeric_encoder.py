import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import rankdata

from anomaly_cl.features.column_encoder import SPACES
from anomaly_cl.features.numeric import N_KNOTS, NumericEncoder

any_float = st.floats(allow_nan=False, allow_infinity=True)
plain_float = st.floats(-1e6, 1e6)
extremes = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 2.3e-308, 1.0, 1.0 + 2**-52, 1e308, -1e308, sys.float_info.max])
columns = st.lists(any_float | plain_float | extremes | st.integers(-3, 3).map(float), min_size=1, max_size=30)


def fitted(values):
    return NumericEncoder().fit(pa.array(values, pa.float64()))


def encode(encoder, values):
    return encoder.transform(pa.array(values, pa.float64()))


@settings(max_examples=300, deadline=None)
@given(columns, columns)
def test_each_space_and_the_tail_rise_with_the_value_and_are_finite(fit_values, values):
    block = encode(fitted(fit_values), sorted(values + fit_values))
    for scores in [*(block.spaces[space][:, 0] for space in SPACES), block.tail]:
        assert np.isfinite(scores).all()
        assert (np.diff(scores) >= 0).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3) | st.integers(-2, 2).map(float), min_size=2, max_size=60))
def test_standard_equals_the_textbook_formula(values):
    x = np.array(values)
    if np.ptp(x) < 1e-6:
        return
    outputs = encode(fitted(values), values).spaces["standard"][:, 0]
    np.testing.assert_allclose(outputs, (x - x.mean()) / x.std(), rtol=1e-4, atol=1e-4)


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=80).filter(lambda values: len(set(values)) > 1))
def test_rank_equals_normal_scores_of_mid_ranks(values):
    expected = ndtri((rankdata(values, method="average") - 0.5) / len(values))
    np.testing.assert_allclose(encode(fitted(values), values).tail, expected, atol=1e-12)


def test_rank_from_knots_stays_near_the_exact_scores_also_in_a_heavy_tail():
    values = np.random.default_rng(0).pareto(1.5, 200_000)
    encoder = fitted(values)
    exact = ndtri((rankdata(values) - 0.5) / len(values))
    assert len(encoder.knots_) <= N_KNOTS
    np.testing.assert_allclose(encode(encoder, values).tail, exact, atol=0.02)


def test_all_spaces_have_about_unit_spread_on_a_normal_column():
    values = np.random.default_rng(1).normal(50, 7, 5_000)
    block = encode(fitted(values), values)
    for space in SPACES:
        assert block.spaces[space].std() == pytest.approx(1, abs=0.05)
        assert block.spaces[space].mean() == pytest.approx(0, abs=0.05)


def test_outside_the_fitted_range_further_out_is_strictly_further_out():
    encoder = fitted(np.random.default_rng(2).lognormal(size=1_000))
    for far in (10.0 ** np.arange(2, 300, 7), -(10.0 ** np.arange(300, 0, -7))):
        block = encode(encoder, far)
        assert (np.diff(block.spaces["rank"][:, 0]) > 0).all()
        assert (np.diff(block.spaces["robust"][:, 0]) > 0).all()
        assert (np.diff(block.tail) > 0).all()


@pytest.mark.parametrize("constant", [0.0, 5.0, -1e-300, 1e300, 0.1 + 0.2])
def test_a_constant_is_zero_and_another_value_is_clearly_not(constant):
    block = encode(fitted([constant] * 100), [constant, constant * 1.01 + 1e-6, constant * 0.99 - 1e-6])
    for space in SPACES:
        assert block.spaces[space][0, 0] == 0
        assert np.abs(block.spaces[space][1:, 0]).min() > 2


def test_rounding_noise_counts_as_constant():
    noisy = [0.3, 0.1 + 0.2] * 50
    assert (encode(fitted(noisy), noisy).spaces["standard"] == 0).all()


def test_a_rare_other_value_in_a_mostly_constant_column_stands_out_in_each_space():
    block = encode(fitted([0.0] * 990 + [40.0, 50.0] * 5), [0.0, 45.0, 4_500.0])
    for space in SPACES:
        assert abs(block.spaces[space][0, 0]) < 0.5
        assert block.spaces[space][1, 0] > 2
        assert block.spaces[space][2, 0] > block.spaces[space][1, 0]


def test_a_value_just_past_a_common_maximum_is_as_strange_as_one_never_seen():
    encoder = fitted([0.0] + [1.0] * 999)
    assert encode(encoder, [1.0]).tail[0] < 0.01
    assert encode(encoder, [1.01]).tail[0] > 3


def test_missing_is_the_median_and_a_flag_where_fit_rows_had_it():
    encoder = fitted([1.0, 2.0, None, 4.0, 100.0])
    block = encode(encoder, [None, np.nan, 3.0])
    for space in SPACES:
        outputs = block.spaces[space]
        assert outputs.shape == (3, 2)
        np.testing.assert_array_equal(outputs[0], outputs[1])
        assert outputs[0, 0] == outputs[2, 0]
        assert outputs[0, 1] > 0 == outputs[2, 1]
    assert block.tail[0] == block.tail[2]


def test_the_flag_weighs_more_the_rarer_missing_was():
    often, seldom = fitted([None, 1.0, 2.0] * 100), fitted([None] + [1.0, 2.0] * 150)
    assert seldom.flag_ > often.flag_ > 1


def test_an_unexpected_missing_value_is_stranger_than_all_fit_rows_without_another_output():
    values = np.random.default_rng(3).lognormal(size=500)
    encoder = fitted(values)
    block, normal = encode(encoder, [None]), encode(encoder, values)
    for space in SPACES:
        assert block.spaces[space].shape == (1, 1)
        assert block.spaces[space][0, 0] > normal.spaces[space].max() + 2
    assert block.tail[0] > normal.tail.max()


def test_a_column_of_missing_values_only_still_encodes_and_shows_a_value():
    encoder = fitted([None] * 20)
    block = encode(encoder, [None, 0.0, 7.0])
    assert encoder.typical_ is None
    for space in SPACES:
        assert block.spaces[space][0, 1] > 2
        assert block.spaces[space][1, 1] == 0
        assert block.spaces[space][2, 0] > 1


def test_accepted_infinities_lie_beyond_the_largest_and_leave_the_rest_its_geometry():
    values = [*np.random.default_rng(4).normal(size=300), np.inf, -np.inf]
    block = encode(fitted(values), values)
    for space in SPACES:
        scores = block.spaces[space][:, 0]
        assert scores[:-2].std() == pytest.approx(1, abs=0.05)
        assert scores[-2] > scores[:-2].max()
        assert scores[-1] < scores[:-2].min()


@pytest.mark.parametrize("type_", [pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_()])
def test_arrow_number_types_are_read(type_):
    array = pa.array([0, 1, 1, None]).cast(type_)
    block = NumericEncoder().fit(array).transform(array)
    assert all(np.isfinite(block.spaces[space]).all() for space in SPACES)


def test_integer_extremes_stay_finite_and_ordered():
    array = pa.array([-(2**63), -1, 0, 1, 2**63 - 1])
    block = NumericEncoder().fit(array).transform(array)
    for space in SPACES:
        assert np.isfinite(block.spaces[space]).all()
        assert (np.diff(block.spaces[space][:, 0]) >= 0).all()
    assert (np.diff(block.tail) > 0).all()


def test_one_fit_row_is_enough():
    block = encode(fitted([3.0]), [3.0, 4.0, None])
    for space in SPACES:
        assert block.spaces[space][0, 0] == 0
        assert (block.spaces[space][1:, 0] > 1).all()


@settings(max_examples=200, deadline=None)
@given(columns, st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_values_from_the_robust_space_are_finite_and_rise_with_it(values, scores):
    found = fitted(values).from_robust(np.sort(scores))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(plain_float, min_size=1, max_size=30), st.lists(plain_float, min_size=1, max_size=20))
def test_the_robust_space_leads_back_to_the_value(fit_values, values):
    encoder = fitted(fit_values)
    if encoder.constant_:
        return  # it maps a hair's breadth away from its value to a jump
    there = encoder._encode(np.array(values))["robust"]
    again = encoder._encode(encoder.from_robust(there))["robust"]
    np.testing.assert_allclose(again, there, rtol=1e-6, atol=1e-6)


def test_numbers_lead_back_through_float32_and_over_any_magnitude():
    values = np.concatenate([np.random.default_rng(0).lognormal(3, 1, 500), 10.0 ** np.arange(-3, 300, 20)])
    encoder = fitted(values[:500])
    robust = encode(encoder, values).spaces["robust"][:, 0]
    np.testing.assert_allclose(encoder.from_robust(robust)[:500], values[:500], rtol=1e-4)
    np.testing.assert_allclose(encoder.from_robust(robust), values, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("constant", [0.0, 5.0, -1e300])
def test_a_constant_leads_back_to_itself_and_further_out_beyond_it(constant):
    encoder = fitted([constant] * 10)
    near, far = encoder.from_robust([0.0, 8.0])
    assert near == constant
    assert far > constant
    np.testing.assert_allclose(encode(encoder, [far]).spaces["robust"][:, 0], [8.0], rtol=1e-5)
