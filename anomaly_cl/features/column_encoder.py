"""What the encoders of all column kinds share: their face, their block of outputs, and how rare states are weighed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

SPACES = ("standard", "robust", "rank")


class Block(NamedTuple):
    """What one column becomes: per space float32 (rows, width), and float64 (rows,) for the marginal tails."""

    spaces: dict[str, np.ndarray]
    tail: np.ndarray


class ColumnEncoder(ABC):
    """Learns one column (an Arrow array) and turns its values into finite numbers, each row by itself.

    In every space two random fit rows are about 2 apart in squared distance, as two standardised numbers are, so that
    columns of all kinds weigh alike. The attributes are the state: JSON scalars, lists or dicts of them, NumPy arrays.
    """

    two_sided: ClassVar[bool] = False  # whether a small tail is as strange as a large one

    width_: int
    typical_: Any

    @abstractmethod
    def fit(self, array: pa.Array) -> Self:
        """Learn from the values of the fit rows (at least one; they may all be missing)."""

    @abstractmethod
    def transform(self, array: pa.Array) -> Block: ...

    @staticmethod
    @abstractmethod
    def number(array: pa.Array) -> np.ndarray:
        """One number a row, float64 (rows,), that depends on nothing learned; infinity where the value is missing.

        Whether rows look as others did is asked of these: what was fitted to some rows would tell them from new ones.
        """

    def to_state(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        encoder = cls.__new__(cls)
        vars(encoder).update(state)
        return encoder


def in_all_spaces(outputs: np.ndarray) -> dict[str, np.ndarray]:
    """The same outputs in each space, for the kinds whose geometry has no variants."""
    return dict.fromkeys(SPACES, np.asarray(outputs, np.float32))


def rarity(count: int, n_rows: int) -> float:
    """How far a state that `count` of `n_rows` rows are in lies from its complement, in normal scores of mid-ranks.

    Smoothed by one more row of each sort, so a state never seen has a finite distance, which grows with the evidence.

    >>> [round(rarity(0, n), 1) for n in (1, 100, 10_000)], round(rarity(50, 100), 1)
    ([1.4, 2.6, 3.9], 1.3)
    """
    share = (count + 1) / (n_rows + 2)
    return float(ndtri(1 - share / 2) - ndtri((1 - share) / 2))


def distinct_texts(array: pa.Array) -> tuple[np.ndarray, list[str]]:
    """Each row's position (int64, -1 where missing) in the list of the column's distinct values as text."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    encoded = array.dictionary_encode()
    positions = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return positions, encoded.dictionary.to_pylist()
