"""Rows of streams as whole tables, for what needs to look at all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from anomaly_cl.batch.scratch import ScratchFolder
from anomaly_cl.table.read import RowStream


class Spool:
    """Writes rows to Arrow files in a temporary folder, and maps those into memory; use it in a with statement."""

    def __enter__(self) -> Self:
        self._folder = ScratchFolder()
        self._n_files = 0
        return self

    def __exit__(self, *raised: object) -> None:
        self._folder.close()

    def read(self, stream: RowStream, names: Sequence[str]) -> tuple[pa.Table, np.ndarray]:
        """These columns of a stream's accepted rows, and the rows' numbers (rows,) int64 in the input."""
        schema = pa.schema([stream.arrow_schema.field(name) for name in names])
        file, numbers = self._folder.path / f"{self._n_files}.arrows", [np.zeros(0, np.int64)]
        self._n_files += 1
        # the format of streams, as that of files allows a column but one dictionary
        with pa.OSFile(str(file), "wb") as target, pa.ipc.new_stream(target, schema) as writer:
            for batch in stream:
                writer.write_batch(batch.rows.select(names))
                numbers.append(batch.row_numbers)
        with pa.memory_map(str(file)) as source:
            return pa.ipc.open_stream(source).read_all(), np.concatenate(numbers)
