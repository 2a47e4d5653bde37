"""Simulated tables of any length, written piece by piece: a longer file begins with the rows of a shorter one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KEY = "record_id"
PIECE = 65_536  # rows
FACTORS = 6  # what the columns have in common
STRANGE = 0.001  # share of the scored rows whose columns have nothing in common
LEVELS = (3, 8, 20, 60, 200)  # of categorical columns
NORMAL, SCORED = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Rows:
    """So many rows of so many columns, a fifth of them categorical; normal ones, or with a few strange ones."""

    rows: int
    columns: int
    normal: bool = False
    seed: int = 0

    @property
    def categorical(self) -> int:
        return self.columns // 5

    @property
    def numeric(self) -> int:
        return self.columns - self.categorical

    def file(self, folder: Path) -> Path:
        """The rows as a Parquet file of the folder, written unless it is there."""
        path = folder / f"{'normal' if self.normal else 'scored'}-{self.rows}x{self.columns}-seed-{self.seed}.parquet"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            pieces = self.pieces()
            first = next(pieces)
            with pq.ParquetWriter(partial, first.schema) as writer:
                for piece in chain([first], pieces):
                    writer.write_table(piece)
            partial.replace(path)
        return path

    def pieces(self) -> Iterator[pa.Table]:
        """The rows, `PIECE` at a time."""
        shape = np.random.default_rng([self.seed, self.columns])
        loadings = shape.normal(size=(FACTORS, self.columns)) / np.sqrt(FACTORS)
        for number, start in enumerate(range(0, self.rows, PIECE)):
            stream = NORMAL if self.normal else SCORED
            rng = np.random.default_rng([self.seed, self.columns, stream, number])
            yield self._piece(rng, loadings, start).slice(0, self.rows - start)

    def _piece(self, rng: np.random.Generator, loadings: np.ndarray, start: int) -> pa.Table:
        noise = rng.normal(size=(PIECE, self.columns))
        common = rng.normal(size=(PIECE, FACTORS)) @ loadings
        strange = (rng.random(PIECE) < STRANGE) & (not self.normal)
        latent = np.where(strange[:, None], 3 * noise, 0.8 * common + 0.6 * noise)
        columns: dict[str, pa.Array] = {KEY: pa.array(np.arange(start, start + PIECE))}
        for place in range(self.numeric):
            columns[f"number_{place}"] = pa.array(_number(latent[:, place], place))
        for place in range(self.categorical):
            columns[f"kind_{place}"] = _kind(latent[:, self.numeric + place], LEVELS[place % len(LEVELS)])
        return pa.table(columns)


def _number(latent: np.ndarray, place: int) -> np.ndarray:
    """One of seven shapes: normal, skewed, squared, bounded, heavy-tailed, counted, mostly zero."""
    shapes: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
        lambda z: z, lambda z: np.exp(2 + z), np.square, lambda z: 1 / (1 + np.exp(-2 * z)),
        lambda z: np.sinh(1.5 * z), lambda z: np.floor(np.exp(1 + z)), lambda z: np.maximum(z - 0.5, 0),
    )
    return np.round(shapes[place % len(shapes)](latent), 4)


def _kind(latent: np.ndarray, levels: int) -> pa.Array:
    """Texts of which the first are the most frequent."""
    codes = np.floor(levels / (1 + np.exp(-latent)) ** 3).astype(np.int32).clip(0, levels - 1)
    names = pa.array([f"k{code}" for code in range(levels)])
    return pa.DictionaryArray.from_arrays(pa.array(codes), names).cast(pa.string())
