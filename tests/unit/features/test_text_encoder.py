from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from anomaly_cl.features.text import TextEncoder

WORDS = ["coffee", "market", "books", "hotel", "taxi", "berlin", "paris", "online", "fuel", "garden"]


def shop_names(n, seed=0):
    rng = np.random.default_rng(seed)
    return [f"{WORDS[i]} {WORDS[j]} {rng.integers(100):02d}" for i, j in rng.integers(0, len(WORDS), (n, 2))]


def fitted(values):
    return TextEncoder().fit(pa.array(values, pa.string()))


def encode(encoder, values):
    return encoder.transform(pa.array(values, pa.string()))


def test_two_random_fit_rows_are_two_apart_in_the_mean():
    names = shop_names(400)
    outputs = encode(fitted(names), names).spaces["standard"]
    mean = np.square(outputs[:, None] - outputs[None]).sum(-1)[np.triu_indices(400, 1)].mean()
    assert mean == pytest.approx(2, abs=0.02)


def test_projected_distances_follow_those_of_the_n_gram_profiles():
    names = shop_names(150)
    counts = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(names).toarray().astype(float)
    counts /= np.linalg.norm(counts, axis=1, keepdims=True)
    outputs = encode(fitted(names), names).spaces["standard"]
    pairs = np.triu_indices(150, 1)
    exact = np.square(counts[:, None] - counts[None]).sum(-1)[pairs]
    projected = np.square(outputs[:, None] - outputs[None]).sum(-1)[pairs]
    assert np.corrcoef(exact, projected)[0, 1] > 0.75


def test_tail_equals_the_mean_surprise_of_the_n_grams_where_buckets_do_not_collide():
    names = ["coffee", "coffee", "taxi"]
    analyse = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).build_analyzer()
    seen = Counter(gram for name in names for gram in analyse(name))
    total = sum(seen.values()) + 2**14
    texts = ["taxi", "coffee", "zq"]
    expected = [np.mean([-np.log((seen[gram] + 1) / total) for gram in analyse(text)]) for text in texts]
    np.testing.assert_allclose(encode(fitted(names), texts).tail, expected)


def test_a_text_of_another_kind_is_surprising():
    names = shop_names(500)
    encoder = fitted(names)
    assert encode(encoder, ["x9$!kq#zzv"]).tail[0] > encode(encoder, names).tail.max()


def test_missing_and_blank_texts_are_the_centre_and_a_flag():
    with_blanks, without = fitted([*shop_names(100), None, ""]), fitted(shop_names(100))
    for encoder in (with_blanks, without):
        block = encode(encoder, [None, "", " \t", "taxi"])
        assert (block.spaces["rank"][:3, :-1] == 0).all()
        assert (block.spaces["rank"][:3, -1] == encoder.flag_).all()
        assert block.spaces["rank"][3, -1] == 0
    normal = encode(without, shop_names(100)).tail
    assert encode(without, [None]).tail[0] > normal.max()
    assert normal.min() < encode(with_blanks, [None]).tail[0] < normal.max()


@pytest.mark.parametrize("values", [[None], [None, ""], ["a"], ["same", "same"], ["x" * 20_000, "y"]])
def test_odd_fit_rows_still_encode_everything(values):
    block = encode(fitted(values), [None, "", "hello", "𝄞 ü\x00", *values])
    assert np.isfinite(block.spaces["standard"]).all()
    assert np.isfinite(block.tail).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=12))
def test_any_text_is_encoded_by_itself(values):
    encoder = fitted(shop_names(20))
    together = encode(encoder, values)
    for i, value in enumerate(values):
        alone = encode(encoder, [value])
        np.testing.assert_array_equal(alone.spaces["rank"][0], together.spaces["rank"][i])
        np.testing.assert_array_equal(alone.tail[0], together.tail[i])
