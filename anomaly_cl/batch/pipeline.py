"""Batches on their way through a detector: read ahead, worked on by all cores, handed on in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from anomaly_cl.batch.rows import Rows
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.table.read import Batch

Known = Callable[[Batch], Scores | None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def scored_batches(
    detector: Detector, rows: Rows, known: Known | None = None, *, workers: int | None = None
) -> Iterator[tuple[Batch, Scores]]:
    """Each batch with its scores, in input order; those that are `known` are not computed again.

    `known` is asked in input order, in the caller's thread. Work overlaps as in `overlapping`.
    """
    return overlapping(rows, lambda batch: detector.score_table(batch.rows), known, workers=workers)


def overlapping(
    items: Iterable[Item], work: Callable[[Item], Result], known: Callable[[Item], Result | None] | None = None, *,
    workers: int | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Each item with the result of the work on it, in order, or with what is known already.

    While the caller uses an item, the next ones are worked on by `workers` threads (None: one for each core that this
    process may use), and one more is read, in another thread; no more than that is in memory.
    """
    workers = usable_cores() if workers is None else workers
    unread, waiting = iter(items), deque[tuple[Item, Result | Future[Result]]]()
    # each worker computes in one thread; two that wait for each other's threads would be slower than one
    with (
        threadpool_limits(1, "blas"), ThreadPoolExecutor(1, "reading") as reader,
        ThreadPoolExecutor(workers, "working", initializer=threadpool_limits, initargs=(1, "openmp")) as pool,
    ):
        try:
            ahead: Future[Item | None] | None = reader.submit(next, unread, None)
            while ahead or waiting:
                while ahead and len(waiting) <= workers:
                    item = ahead.result()
                    if item is None:
                        ahead = None
                        break
                    ahead = reader.submit(next, unread, None)
                    found = known(item) if known else None
                    waiting.append((item, pool.submit(work, item) if found is None else found))
                if waiting:
                    item, result = waiting.popleft()
                    yield item, result.result() if isinstance(result, Future) else result
        finally:
            for each in (reader, pool):
                each.shutdown(cancel_futures=True)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
