"""Which rows train, which turn distances into surprise, and which calibrate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError

FEWEST_ROWS = 4


@dataclass(frozen=True)
class Split:
    """How normal rows are divided; shares are of all rows, caps in rows.

    reference rows: the encoder trains on them.
    held-out rows: stop the training; heads that cannot measure their own rows take their surprise from them.
    calibration rows: seen by nothing but the final calibration.
    The reference bank is drawn from the reference and held-out rows.
    """

    held_out: float = 0.15
    calibration: float = 0.2
    held_out_cap: int = 10_000
    calibration_cap: int = 20_000

    def indices(self, n_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return reference, held-out and calibration indices: disjoint, each sorted, together 0 .. n_rows - 1."""
        if n_rows < FEWEST_ROWS:
            raise InputError(f"at least {FEWEST_ROWS} normal rows are needed to learn", f"found n_samples = {n_rows}",
                             "give more rows, or check the filter")
        order = rng.permutation(n_rows)
        held_out = max(1, min(round(n_rows * self.held_out), self.held_out_cap))
        calibration = max(1, min(round(n_rows * self.calibration), self.calibration_cap))
        parts = np.split(order, [n_rows - held_out - calibration, n_rows - calibration])
        return np.sort(parts[0]), np.sort(parts[1]), np.sort(parts[2])


def sample_rows(batches: Iterable[pa.RecordBatch], limit: int, rng: np.random.Generator) -> list[pa.RecordBatch]:
    """Return at most `limit` rows drawn evenly from a stream, in their order and in memory bounded by `limit`.

    Every row gets a random rank and the rows with the lowest ranks stay, so the choice does not depend on how the
    stream is cut into batches (reservoir sampling by random keys, Efraimidis & Spirakis 2006, with equal weights).
    """
    kept: list[tuple[np.ndarray, pa.RecordBatch]] = []
    held = 0
    for batch in batches:
        kept.append((rng.random(batch.num_rows), batch))
        held += batch.num_rows
        if held > 2 * limit:
            kept = _lowest(kept, limit)
            held = limit
    return [batch for _, batch in (_lowest(kept, limit) if held > limit else kept)]


def _lowest(kept: list[tuple[np.ndarray, pa.RecordBatch]], limit: int) -> list[tuple[np.ndarray, pa.RecordBatch]]:
    bar = np.partition(np.concatenate([ranks for ranks, _ in kept]), limit - 1)[limit - 1]
    lowest = [(ranks[ranks <= bar], batch.filter(pa.array(ranks <= bar))) for ranks, batch in kept]
    return [(ranks, batch) for ranks, batch in lowest if len(ranks)]
