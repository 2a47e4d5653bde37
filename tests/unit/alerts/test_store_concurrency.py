"""Processes that write to one store at the same time."""

from __future__ import annotations

import multiprocessing as mp
import sqlite3
import traceback
from collections import Counter
from threading import Timer
from typing import Any

from made_up_rows import a_run, alerts
from sqlalchemy import select

from anomaly_cl.alerts.models import Alert, Run, Verdict
from anomaly_cl.alerts.store import alert_id, open_store

PROCESSES, ROUNDS, ROWS = 2, 12, 150
SHARED = range(100_000, 100_010)


def report(url: str, number: int, start: Any, results: Any) -> None:
    """Send the number of alerts added, or what went wrong."""
    start.wait()
    try:
        results.put(write(url, number))
    except Exception:
        results.put(traceback.format_exc())


def write(url: str, number: int) -> int:
    """Add runs, half of whose rows are in the next run too, and decide alerts that the other process has as well."""
    added = 0
    with open_store(url) as store:
        for place in range(ROUNDS):
            own, shared = a_run(f"own {number} {place}"), a_run(f"shared {place}")
            first = (number * ROUNDS + place) * ROWS // 2
            added += store.add_run(own, alerts(own, *range(first, first + ROWS))).added
            added += store.add_run(shared, alerts(shared, *SHARED)).added
            for row in SHARED:
                verdict = ("fraud", "legitimate", "unsure")[(row + place + number) % 3]
                store.add_verdict(alert_id("model", f"TX-{row}", "file", row), verdict, author=f"person {number}")
    return added


def test_two_processes_lose_nothing_and_double_nothing(url):
    context = mp.get_context("spawn")
    start, results = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=report, args=(url, n, start, results)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    added = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    results.close()
    results.join_thread()
    assert [number for number in added if not isinstance(number, int)] == []
    with open_store(url) as store, store.engine.connect() as connection:
        assert len(connection.execute(select(Run.id)).all()) == PROCESSES * ROUNDS + ROUNDS
        keys = set(connection.scalars(select(Alert.key)))
        own = range((PROCESSES * ROUNDS + 1) * ROWS // 2)
        assert keys == {f"TX-{row}" for row in [*own, *SHARED]}
        assert sum(added) == len(keys)
        given = select(Verdict.alert_id, Verdict.verdict, Verdict.author).order_by(Verdict.id)
        history = connection.execute(given).all()
        assert Counter(row.author for row in history) == {f"person {n}": 10 * ROUNDS for n in range(PROCESSES)}
        newest = {row.alert_id: row.verdict for row in history}
        decided = connection.execute(select(Alert.id, Alert.verdict).where(Alert.verdict.is_not(None)))
        assert {row.id: row.verdict for row in decided} == newest


def test_a_new_file_that_another_process_has_just_opened_is_waited_for(tmp_path):
    path = tmp_path / "alerts.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # as in a change of mode, which SQLite refuses to another at once, without waiting
    released = Timer(0.3, other.close)
    released.start()
    open_store(path).close()
    released.join()
