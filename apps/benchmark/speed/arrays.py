"""The same rows as arrays of floats, as PyOD's detectors take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apps.benchmark.speed.data import KEY, PIECE


class Arrays:
    """Turns rows into arrays (rows, columns) float64: categories as the ranks of their texts among those of the
    reference rows (unknown ones come last), every column of mean 0 and standard deviation 1 there.
    """

    def __init__(self, reference: Path):
        table = pq.read_table(reference)
        self.names = [name for name in table.column_names if name != KEY]
        self.levels = {name: pc.unique(table[name]).sort() for name in self.names
                       if pa.types.is_string(table[name].type)}
        plain = self._plain(table)
        self.mean, self.deviation = plain.mean(axis=0), plain.std(axis=0)
        self.deviation[self.deviation == 0] = 1
        self.reference = self._scaled(plain)

    def read(self, file: Path, most_rows: int) -> np.ndarray:
        """The first rows of a Parquet file."""
        with pq.ParquetFile(file) as opened:
            n_rows, start = min(opened.metadata.num_rows, most_rows), 0
            found = np.empty((n_rows, len(self.names)))
            for batch in opened.iter_batches(PIECE):
                rows = batch.slice(0, n_rows - start)
                found[start:start + rows.num_rows] = self._scaled(self._plain(pa.table(rows)))
                start += rows.num_rows
                if start == n_rows:
                    break
        return found

    def _plain(self, table: pa.Table) -> np.ndarray:
        return np.column_stack([self._column(name, table[name]) for name in self.names])

    def _column(self, name: str, values: pa.ChunkedArray) -> np.ndarray:
        if name not in self.levels:
            return values.to_numpy()
        ranks = pc.fill_null(pc.index_in(values, self.levels[name]), len(self.levels[name]))
        return ranks.to_numpy().astype(float)

    def _scaled(self, plain: np.ndarray) -> np.ndarray:
        return (plain - self.mean) / self.deviation
