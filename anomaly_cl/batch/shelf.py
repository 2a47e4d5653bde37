"""Rows set aside until it is known which of them are wanted, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.scratch import ScratchFolder

IN_MEMORY = 50_000


class RowShelf:
    """Rows in the order in which they came; beyond `IN_MEMORY` of them, in a temporary folder. Close it at the end."""

    def __init__(self, schema: pa.Schema):
        self.schema = schema
        self.held: list[pa.Table] = []
        self.files: list[Path] = []
        self.folder: ScratchFolder | None = None
        self.n_rows = self.n_held = 0

    def add(self, rows: pa.Table) -> np.ndarray:
        """Set rows aside; returns their positions (rows,)."""
        positions = np.arange(self.n_rows, self.n_rows + rows.num_rows)
        self.held.append(rows)
        self.n_rows += rows.num_rows
        self.n_held += rows.num_rows
        if self.n_held > IN_MEMORY:
            self._write_out()
        return positions

    def take(self, positions: np.ndarray) -> pa.Table:
        """The rows at ascending positions."""
        start, found = 0, [self.schema.empty_table()]
        for table in self._tables():
            inside = positions[(positions >= start) & (positions < start + table.num_rows)]
            found.append(table.take(pa.array(inside - start)))
            start += table.num_rows
        return pa.concat_tables(found)

    def close(self) -> None:
        """Remove what lies on disk."""
        if self.folder is not None:
            self.folder.close()

    def _tables(self) -> Iterator[pa.Table]:
        for file in self.files:
            with pa.OSFile(str(file)) as source:
                yield pa.ipc.open_file(source).read_all()
        yield from self.held

    def _write_out(self) -> None:
        if self.folder is None:
            self.folder = ScratchFolder()
        file = self.folder.path / f"{len(self.files)}.arrow"
        with pa.OSFile(str(file), "wb") as target, pa.ipc.new_file(target, self.schema) as writer:
            for rows in self.held:
                writer.write_table(rows)
        self.files.append(file)
        self.held, self.n_held = [], 0
