from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.batch.pipeline import scored_batches
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.table.read import Batch


class Source:
    """Batches of a row each, and the most that were read but not handed on."""

    def __init__(self, n: int, fails_at: int | None = None):
        self.n, self.fails_at, self.read = n, fails_at, 0

    def __iter__(self) -> Iterator[Batch]:
        for number in range(self.n):
            if number == self.fails_at:
                raise OSError("the disk is gone")
            self.read += 1
            yield Batch(pa.RecordBatch.from_pydict({"x": [float(number)]}), np.array([number]))


class Scoring:
    """A detector whose first batch takes longest, so that later ones are ready before."""

    def __init__(self, fails_at: int | None = None):
        self.fails_at, self.scored, self.later = fails_at, [], threading.Event()

    def score_table(self, rows: pa.RecordBatch) -> Scores:
        value = rows.column("x").to_numpy()
        if value[0] == self.fails_at:
            raise ValueError("no score")
        if value[0] == 0:
            self.later.wait(5)
        else:
            self.later.set()
        self.scored.append(int(value[0]))
        return Scores(value, value, value, value)


def run(detector: Any, source: Any, found: list[int] | None = None, **settings: Any) -> list[int]:
    found = [] if found is None else found
    for batch, scores in scored_batches(detector, source, **settings):
        assert scores.score.tolist() == batch.rows.column("x").to_pylist()
        found += batch.row_numbers.tolist()
    return found


def test_batches_come_in_order_though_a_later_one_is_scored_first() -> None:
    detector = Scoring()
    assert run(detector, Source(20), workers=2) == list(range(20))
    assert detector.scored[0] != 0


def test_no_more_batches_are_in_memory_than_workers_and_two() -> None:
    source = Source(50)
    given = 0
    for _ in scored_batches(Scoring(), source, workers=2):  # type: ignore[arg-type]
        given += 1
        assert source.read - given <= 2 + 2
    assert given == 50


def test_known_scores_are_not_computed_again_and_asked_for_in_order() -> None:
    detector, asked = Scoring(), []

    def known(batch: Batch) -> Scores | None:
        asked.append(int(batch.row_numbers[0]))
        value = batch.rows.column("x").to_numpy()
        return Scores(value, value, value, value) if value[0] % 2 == 0 else None

    assert run(detector, Source(10), known=known, workers=3) == list(range(10))
    assert asked == list(range(10))
    assert sorted(detector.scored) == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_reading_or_scoring_reaches_the_caller_after_what_came_before_it(workers: int) -> None:
    for source, detector, kind in ((Source(9, fails_at=4), Scoring(), OSError), (Source(9), Scoring(4), ValueError)):
        found: list[int] = []
        detector.later.set()
        with pytest.raises(kind):
            run(detector, source, found, workers=workers)
        assert found == list(range(len(found)))
        assert len(found) <= 4


def test_a_caller_that_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    detector = Scoring()
    detector.later.set()
    stream = scored_batches(detector, Source(100), workers=2)  # type: ignore[arg-type]
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(detector.scored) < 10
