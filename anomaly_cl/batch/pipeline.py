"""Batches of rows on their way through a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anomaly_cl.batch.rows import Rows
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.table.read import Batch

Known = Callable[[Batch], Scores | None]


def scored_batches(detector: Detector, rows: Rows, known: Known | None = None) -> Iterator[tuple[Batch, Scores]]:
    """Each batch with its scores, in input order; those that are `known` are not computed again."""
    for batch in rows:
        found = known(batch) if known else None
        yield batch, detector.score_table(batch.rows) if found is None else found
