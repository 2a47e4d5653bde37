"""Free text as hashed character n-grams, projected to a few dimensions."""

from __future__ import annotations

from functools import cache
from hashlib import shake_256
from typing import Self

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from anomaly_cl.features.column_encoder import Block, ColumnEncoder, distinct_texts, in_all_spaces, rarity

N_BUCKETS = 2**14  # 2**12 fills up with a few thousand short texts: new n-grams would then look known
N_DIMENSIONS = 32
N_TEXTS_AT_ONCE = 20_000  # bounds the memory of the sparse counts
LARGEST_SCALE = 10.0  # nearly equal texts are not blown up to unit spread


class TextEncoder(ColumnEncoder):
    """Length-normalised counts of n-grams (2 to 4 characters within words), in 32 projections, and a missing flag.

    Sign projections keep squared distances on average (Achlioptas 2003), also those of n-grams never seen in fit. A
    text without a visible character counts as missing. The tail is the mean over a text's n-grams of -log of their
    smoothed share among the fit rows' n-grams.
    """

    width_ = N_DIMENSIONS + 1
    typical_ = None

    def fit(self, array: pa.Array) -> Self:
        positions, texts = distinct_texts(array)
        weights = np.bincount(positions[positions >= 0], minlength=len(texts)).astype(float)
        counts = np.ones(N_BUCKETS)
        for part in _parts(texts):
            counts += _n_gram_counts(texts[part]).T @ weights[part]
        self.surprises_ = -np.log(counts / counts.sum())
        projected, tails, missing = self._embed(texts)
        weights[missing] = 0
        n_present = int(weights.sum())
        n_missing = len(positions) - n_present
        self.flag_ = rarity(n_missing, len(positions))
        self.centre_, self.scale_, self.missing_tail_ = np.zeros(N_DIMENSIONS), 1.0, 0.0
        if n_present:
            self.centre_ = weights @ projected / n_present
            variance = float(weights @ np.square(projected - self.centre_).sum(axis=1)) / n_present
            self.scale_ = min(variance**-0.5, LARGEST_SCALE) if variance > 0 else 1.0
            ordered = np.sort(np.repeat(tails, weights.astype(int)))
            self.missing_tail_ = float(ordered[n_present // 2] if n_missing else ordered[-1] + 1)
        return self

    def transform(self, array: pa.Array) -> Block:
        positions, texts = distinct_texts(array)
        projected, tails, missing = self._embed(texts)
        outputs = np.zeros((len(texts) + 1, self.width_), np.float32)  # the last row is where position -1 leads
        outputs[:-1, :-1] = (projected - self.centre_) * self.scale_
        missing, tails = np.append(missing, True), np.append(tails, 0.0)
        outputs[missing, :-1], outputs[missing, -1] = 0, self.flag_
        tails[missing] = self.missing_tail_
        return Block(in_all_spaces(outputs[positions]), tails[positions])

    @staticmethod
    def number(array: pa.Array) -> np.ndarray:
        """The first of the projections: texts of like n-grams are near each other."""
        positions, texts = distinct_texts(array)
        numbers = np.full(len(texts) + 1, np.inf)
        for part in _parts(texts):
            counts = _n_gram_counts(texts[part])
            visible = counts.getnnz(axis=1) > 0
            numbers[:-1][part][visible] = (normalize(counts) @ _signs()[:, 0])[visible]
        return numbers[positions]

    def _embed(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per text its projection (texts, 32), its mean n-gram surprise, and whether it has no n-gram at all."""
        projected = np.zeros((len(texts), N_DIMENSIONS))
        tails, missing = np.zeros(len(texts)), np.zeros(len(texts), bool)
        for part in _parts(texts):
            counts = _n_gram_counts(texts[part])
            total = np.asarray(counts.sum(axis=1)).ravel()
            projected[part] = normalize(counts) @ _signs()
            tails[part] = counts @ self.surprises_ / np.maximum(total, 1)
            missing[part] = total == 0
        return projected, tails, missing


def _n_gram_counts(texts: list[str]) -> csr_matrix:
    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=N_BUCKETS, alternate_sign=False, norm=None
    )
    return vectorizer.transform(texts)


def _parts(texts: list[str]) -> list[slice]:
    return [slice(start, start + N_TEXTS_AT_ONCE) for start in range(0, len(texts), N_TEXTS_AT_ONCE)]


@cache
def _signs() -> np.ndarray:
    """The projection, (buckets, 32): signs over sqrt(32), from a hash so that they never change."""
    bits = np.unpackbits(np.frombuffer(shake_256(b"n-gram signs").digest(N_BUCKETS * N_DIMENSIONS // 8), np.uint8))
    return (2.0 * bits.reshape(N_BUCKETS, N_DIMENSIONS) - 1) / np.sqrt(N_DIMENSIONS)
