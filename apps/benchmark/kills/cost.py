"""What the journal costs a run that nothing stops, and what going on saves one that was stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_cl.batch.journal import Journal
from anomaly_cl.batch.score import score_file
from anomaly_cl.detectors.tabular import TabularDetector

LEARNED = 20_000
NUMBERS, KINDS = 20, 5
STOPPED_AT = .9
BATCH_ROWS = 8_192


@dataclass(frozen=True)
class Cost:
    """Rows, bytes of journal a row, processor seconds of a whole run, seconds of its journal by the clock, and
    processor seconds of going on at `STOPPED_AT`.
    """

    rows: int
    bytes_a_row: float
    seconds: float
    journal_seconds: float
    going_on_seconds: float


def measure_cost(folder: Path, rows: int) -> Cost:
    """Score simulated rows of 20 numbers and 5 kinds once wholly, and once stopped and gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    source, out = folder / "many.parquet", folder / "many.scored.parquet"
    frame = _rows(rows)
    frame.to_parquet(source)
    detector = TabularDetector("none").fit(_rows(LEARNED, seed=1))
    journal = folder / f".{out.name}.journal"
    with _timed() as spent:
        started = time.process_time()
        score_file(detector, source, out, batch_rows=BATCH_ROWS)
        seconds = time.process_time() - started

    def stop(done: int) -> None:
        if done >= STOPPED_AT * rows:
            raise KeyboardInterrupt

    try:
        score_file(detector, source, out, batch_rows=BATCH_ROWS, progress=stop)
    except KeyboardInterrupt:
        size = journal.stat().st_size
    started = time.process_time()
    manifest = score_file(detector, source, out, batch_rows=BATCH_ROWS, resume=True)
    going_on = time.process_time() - started
    return Cost(rows, size / manifest["resumed_rows"], seconds, spent.seconds, going_on)


class _timed:  # noqa: N801 it is used as a function
    """Counts the seconds that pass in `Journal.record`."""

    seconds = 0.0

    def __enter__(self) -> _timed:
        self._record = record = Journal.record

        def timed(*given: Any) -> None:
            started = time.perf_counter()
            record(*given)
            self.seconds += time.perf_counter() - started

        Journal.record = timed  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *raised: object) -> None:
        Journal.record = self._record  # type: ignore[method-assign]


def _rows(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, 4)) @ np.random.default_rng(9).normal(size=(4, NUMBERS)) + rng.normal(size=(n, NUMBERS))
    numbers = pd.DataFrame(mixed, columns=[f"number_{i:02d}" for i in range(NUMBERS)])
    return numbers.assign(**{f"kind_{i}": rng.choice([f"k{j}" for j in range(4 + 4 * i)], n) for i in range(KINDS)})
