"""Categories: a vocabulary with a rare and an unknown code, and the surprise of each code's frequency."""

from __future__ import annotations

from hashlib import blake2b
from typing import Self

import numpy as np
import pyarrow as pa

from anomaly_cl.features.column_encoder import Block, ColumnEncoder, distinct_texts, in_all_spaces

N_REMEMBERED = 10_000  # distinct values beyond the most frequent 10,000 are as unknown as unseen ones
N_ONE_HOT = 32
N_SIGNS = 16
RARE_SHARE = 20_000  # fewer than one row in so many (but always fewer than two rows) is rare


class CategoricalEncoder(ColumnEncoder):
    """A point for each code; two different codes are 2 apart in squared distance (one-hot), or about 2 (signs).

    Codes: the common categories by falling frequency; `rare` for seen ones below the threshold, if any; `missing`, if
    the fit rows had any; `unknown` for everything else, exactly 2 from all others. Up to 32 codes are one-hot;
    above, each has 16 signs drawn from its text by BLAKE2b, so they never depend on the other categories.
    The tail is -log((count + 1) / (rows + codes)).
    """

    def fit(self, array: pa.Array) -> Self:
        positions, texts = distinct_texts(array)
        counts = np.bincount(positions[positions >= 0], minlength=len(texts))
        order = sorted(range(len(texts)), key=lambda i: (-counts[i], texts[i]))
        ordered, n_missing = counts[order], int((positions < 0).sum())
        self.texts_ = [texts[i] for i in order[:N_REMEMBERED]]
        remembered, forgotten = ordered[:N_REMEMBERED], int(ordered[N_REMEMBERED:].sum())
        self.n_common_ = int(np.sum(remembered >= max(2, len(positions) / RARE_SHARE)))
        keys = [("category", text) for text in self.texts_[: self.n_common_]]
        code_counts = list(remembered[: self.n_common_])
        if self.n_common_ < len(self.texts_):
            keys.append(("rare", ""))
            code_counts.append(remembered[self.n_common_ :].sum())
        self.missing_code_ = len(keys)
        if n_missing:
            keys.append(("missing", ""))
            code_counts.append(n_missing)
        self.points_ = _points(keys)
        self.width_ = self.points_.shape[1]
        self.surprises_ = -np.log((np.array([*code_counts, forgotten]) + 1) / (len(positions) + len(self.points_)))
        self.typical_ = self.texts_[0] if self.texts_ and ordered[0] >= n_missing else None
        return self

    def transform(self, array: pa.Array) -> Block:
        positions, texts = distinct_texts(array)
        unknown = len(self.points_) - 1
        code_of = {text: min(i, self.n_common_) for i, text in enumerate(self.texts_)}
        # The last place is where position -1 leads: missing, which is the unknown code if the fit rows had none.
        code_at = np.array([*(code_of.get(text, unknown) for text in texts), self.missing_code_])
        codes = code_at[positions]
        return Block(in_all_spaces(self.points_[codes]), self.surprises_[codes])

    @staticmethod
    def number(array: pa.Array) -> np.ndarray:
        """A point of 0..1 for each category, drawn from its text by BLAKE2b."""
        positions, texts = distinct_texts(array)
        digests = b"".join(blake2b(text.encode(), digest_size=8, person=b"number").digest() for text in texts)
        numbers = np.frombuffer(digests, "<u8") / 2.0**64
        return np.append(numbers, np.inf)[positions]  # the last place is where position -1 leads


def _points(keys: list[tuple[str, str]]) -> np.ndarray:
    """One row for each key and a last one for the unknown code, float32 (codes, width)."""
    if len(keys) < N_ONE_HOT:
        return np.eye(len(keys) + 1, dtype=np.float32)
    digests = b"".join(
        blake2b(text.encode(), digest_size=N_SIGNS // 8, person=sort.encode()).digest() for sort, text in keys
    )
    bits = np.unpackbits(np.frombuffer(digests, np.uint8)).reshape(len(keys), N_SIGNS)
    points = np.zeros((len(keys) + 1, N_SIGNS + 1), np.float32)
    points[:-1, :-1] = (2.0 * bits - 1) / np.sqrt(N_SIGNS)  # squared length 1; two of them differ in half of the signs
    points[-1, -1] = 1
    return points
