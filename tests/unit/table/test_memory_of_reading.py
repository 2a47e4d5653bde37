from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.table.read import open_rows


def test_what_was_read_of_a_parquet_file_is_not_kept(tmp_path: Path) -> None:
    file, rng = tmp_path / "rows.parquet", np.random.default_rng(0)
    with pq.ParquetWriter(file, pa.schema([(f"x{i}", pa.float64()) for i in range(5)])) as writer:
        for _ in range(40):  # 64 MB in all
            writer.write_table(pa.table({f"x{i}": rng.normal(size=40_000) for i in range(5)}))
    before, most = pa.total_allocated_bytes(), 0
    for _ in open_rows(file, batch_rows=20_000):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 32e6
