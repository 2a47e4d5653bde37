"""Vectors that come ready-made (embeddings of images, texts, graphs): centred and brought to unit scale as a whole."""

from __future__ import annotations

from hashlib import shake_256
from typing import Self

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError
from anomaly_cl.features.column_encoder import Block, ColumnEncoder, in_all_spaces, rarity

LARGEST = 1e100  # so that sums of squares stay finite
LIMIT = 1e6  # of an output, as for numbers
NOISE = 1e-14  # a spread this small, relative to the mean, is rounding


class VectorEncoder(ColumnEncoder):
    """The vector minus the fitted mean over one scalar, so that its geometry is kept, and a missing flag.

    A missing vector, or a missing element, is the mean. The tail is the distance from the mean, in the same scale.
    """

    typical_ = None

    def __init__(self, size: int):
        self.size = size

    def fit(self, array: pa.Array) -> Self:
        values, missing = _as_matrix(array, self.size)
        present, n_missing = values[~missing], int(missing.sum())
        self.width_ = self.size + 1
        self.flag_ = rarity(n_missing, len(values))
        known = ~np.isnan(present)
        self.mean_ = np.where(known, present, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        distances = self._distances(self._centred(present))
        spread = float(np.sqrt(np.mean(np.square(distances)))) if len(present) else 0.0
        length = float(np.linalg.norm(self.mean_))
        varies = spread > max(NOISE * length, 1 / LARGEST)
        self.scale_ = spread if varies else length or 1.0
        self.missing_tail_ = 0.0
        if len(present):
            ordered = np.sort(distances / self.scale_)
            self.missing_tail_ = float(ordered[len(present) // 2] if n_missing else ordered[-1] + 1)
        return self

    def transform(self, array: pa.Array) -> Block:
        values, missing = _as_matrix(array, self.size)
        centred = self._centred(values)
        outputs = np.zeros((len(values), self.width_), np.float32)
        outputs[:, :-1] = np.clip(centred / self.scale_, -LIMIT, LIMIT)
        outputs[missing, -1] = self.flag_
        tail = np.where(missing, self.missing_tail_, self._distances(centred) / self.scale_)
        return Block(in_all_spaces(outputs), tail)

    @staticmethod
    def number(array: pa.FixedSizeListArray) -> np.ndarray:
        """The vector's product with a fixed one of random signs; without its missing elements."""
        size = array.type.list_size
        values, missing = _as_matrix(array, size)
        bits = np.unpackbits(np.frombuffer(shake_256(b"vector signs").digest(size // 8 + 1), np.uint8))[:size]
        return np.where(missing, np.inf, (np.nan_to_num(values) * (2.0 * bits - 1)).sum(axis=1))

    def _centred(self, values: np.ndarray) -> np.ndarray:
        centred = values - self.mean_
        centred[np.isnan(centred)] = 0
        return centred

    @staticmethod
    def _distances(centred: np.ndarray) -> np.ndarray:
        return np.sqrt(np.square(centred).sum(axis=1))


def _as_matrix(array: pa.Array, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A new float64 (rows, size) with NaN where missing, and which whole vectors are missing."""
    missing = array.is_null().to_numpy(zero_copy_only=False)
    elements = array.drop_null().flatten()
    if len(elements) != size * int((~missing).sum()):
        raise InputError(
            f"every vector of the column must have {size} elements",
            f"{int((~missing).sum())} vectors have {len(elements)} elements together", "correct the file or the schema",
        )
    values = np.full((len(array), size), np.nan)
    numbers = elements.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    values[~missing] = np.clip(numbers, -LARGEST, LARGEST).reshape(-1, size)
    return values, missing
