"""Batches of rows on their way through a detector: read ahead, scored on all cores, handed on in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from anomaly_cl.batch.rows import Rows
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.table.read import Batch

Known = Callable[[Batch], Scores | None]


def scored_batches(
    detector: Detector, rows: Rows, known: Known | None = None, *, workers: int | None = None
) -> Iterator[tuple[Batch, Scores]]:
    """Each batch with its scores, in input order; those that are `known` are not computed again.

    While the caller works on a batch, the next ones are scored by `workers` threads (None: one for each core that this
    process may use), and one more is read; no more than that is in memory. `known` is asked in input order, in the
    caller's thread; the rows are read in one other thread.
    """
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    batches, waiting = iter(rows), deque[tuple[Batch, Scores | Future[Scores]]]()
    # each worker computes in one thread; two that wait for each other's threads would be slower than one
    with (
        threadpool_limits(1, "blas"), ThreadPoolExecutor(1, "reading") as reader,
        ThreadPoolExecutor(workers, "scoring", initializer=threadpool_limits, initargs=(1, "openmp")) as pool,
    ):
        try:
            ahead: Future[Batch | None] | None = reader.submit(next, batches, None)
            while ahead or waiting:
                while ahead and len(waiting) <= workers:
                    batch = ahead.result()
                    if batch is None:
                        ahead = None
                        break
                    ahead = reader.submit(next, batches, None)
                    found = known(batch) if known else None
                    waiting.append((batch, pool.submit(detector.score_table, batch.rows) if found is None else found))
                if waiting:
                    batch, scores = waiting.popleft()
                    yield batch, scores.result() if isinstance(scores, Future) else scores
        finally:
            for each in (reader, pool):
                each.shutdown(cancel_futures=True)
