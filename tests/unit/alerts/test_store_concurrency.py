"""Processes that write to one store at the same time."""

from __future__ import annotations

import multiprocessing as mp
import sqlite3
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Timer
from typing import Any

import pytest
from made_up_rows import a_run, alerts, an_alert, assert_cases_agree_with_alerts, read_case
from sqlalchemy import select

from anomaly_cl.alerts.models import Alert, CaseEvent, Run, Verdict
from anomaly_cl.alerts.store import AlertStore, alert_id, open_store
from anomaly_cl.errors import StaleError

PROCESSES, ROUNDS, ROWS = 2, 8, 150
THREADS, NOTES = 3, 12
SHARED = range(100_000, 100_010)


def in_processes(work: Callable[[str, int], int], url: str) -> list[int]:
    """What processes give that do this at the same time on one store."""
    context = mp.get_context("spawn")
    start, results = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=report, args=(work, url, n, start, results)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    given = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    results.close()
    results.join_thread()
    assert [number for number in given if not isinstance(number, int)] == []
    return given


def report(work: Callable[[str, int], int], url: str, number: int, start: Any, results: Any) -> None:
    """Send what the work gives, or what went wrong."""
    start.wait()
    try:
        results.put(work(url, number))
    except Exception:
        results.put(traceback.format_exc())


def write(url: str, number: int) -> int:
    """Add runs, half of whose rows are in the next run too, and decide alerts that the other process has as well."""
    added = 0
    with open_store(url) as store:
        for place in range(ROUNDS):
            own, shared = a_run(f"own {number} {place}"), a_run(f"shared {place}")
            first = (number * ROUNDS + place) * ROWS // 2
            added += store.add_run(own, (an_alert(own, row, entity=f"C-{row % 40}")
                                         for row in range(first, first + ROWS))).added
            added += store.add_run(shared, alerts(shared, *SHARED)).added
            for row in SHARED:
                verdict = ("fraud", "legitimate", "unsure")[(row + place + number) % 3]
                store.add_verdict(alert_id("model", f"TX-{row}", "file", row), verdict, author=f"person {number}")
    return added


def test_two_processes_lose_nothing_and_double_nothing(url):
    added = in_processes(write, url)
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
        assert_cases_agree_with_alerts(store)


def note_each(store: AlertStore, writer: int) -> int:
    """Read a case, then write to it by what was read, again when another was faster; gives the number of writes."""
    for place in range(NOTES):
        while True:
            version = read_case(store, 1).version
            try:
                write_note(store, version, f"{writer} {place}", author=f"person {writer}")
            except StaleError:
                continue
            break
    return NOTES


def write_note(store: AlertStore, version: int, note: str, author: str) -> None:
    """A note, a verdict or an assignee in turns: all are writes to the case."""
    turn = int(note.split()[1]) % 3
    if turn == 0:
        store.add_note(1, note, author=author, version=version)
    elif turn == 1:
        store.decide(["a", "b"], "unsure", author=author, note=note, versions={1: version})
    else:
        store.assign(1, note, author=author, version=version)


def note_in_a_process(url: str, writer: int) -> int:
    with open_store(url) as store:
        return note_each(store, writer)


def with_one_case(store: AlertStore) -> None:
    run = a_run()
    store.add_run(run, [an_alert(run, row, id=name) for row, name in enumerate("ab")])


def assert_every_note_is_there_once(store: AlertStore, writers: int) -> None:
    expected = Counter(f"{writer} {place}" for writer in range(writers) for place in range(NOTES))
    with store.engine.connect() as connection:
        events = connection.execute(select(CaseEvent.kind, CaseEvent.note, CaseEvent.value)).all()
        given = connection.scalars(select(Verdict.note).where(Verdict.alert_id == "a")).all()
    told = [event.note or event.value for event in events if event.kind != "state"]
    assert Counter([*told, *given]) == expected
    assert read_case(store, 1).version == 1 + writers * NOTES
    assert_cases_agree_with_alerts(store)


def test_threads_that_write_at_once_lose_no_update(store):
    with_one_case(store)
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(lambda writer: note_each(store, writer), range(THREADS))) == [NOTES] * THREADS
    assert_every_note_is_there_once(store, THREADS)


def test_processes_that_write_at_once_lose_no_update(store, url):
    with_one_case(store)
    in_processes(note_in_a_process, url)
    assert_every_note_is_there_once(store, PROCESSES)


@pytest.mark.parametrize("write", [
    lambda store, version, name: store.add_note(1, "hm", author=name, version=version),
    lambda store, version, name: store.assign(1, name, author=name, version=version),
    lambda store, version, name: store.set_state(1, "in review", author=name, version=version),
    lambda store, version, name: store.decide(["a"], "fraud", author=name, versions={1: version}),
], ids=["note", "assignee", "state", "verdict"])
def test_of_two_writes_on_one_reading_exactly_one_wins(store, write):
    with_one_case(store)
    ready = Barrier(2)

    def write_once(version: int, name: str) -> str:
        ready.wait()
        try:
            write(store, version, name)
        except StaleError as error:
            return error.value.split("by ")[1].split(",")[0]
        return name

    with ThreadPoolExecutor(2) as pool:
        for version in range(1, 9):
            told = list(pool.map(write_once, [version, version], ["ann", "bob"]))
            assert told in (["ann", "ann"], ["bob", "bob"])  # the other is told who was faster
            assert read_case(store, 1).version == version + 1


def test_runs_that_arrive_at_once_open_one_case_an_entity(store):
    ready = Barrier(THREADS)

    def arrive(number: int) -> int:
        run, added = a_run(f"run {number}"), 0
        for place in range(5):
            ready.wait()
            added += store.add_run(a_run(f"{number} {place}"), [
                an_alert(run, row, id=f"{number} {place} {row}", entity=f"C-{place} {row % 7}")
                for row in range(20)]).added
            store.decide([f"{number} {place} {row}" for row in range(0, 20, 3)], "fraud", author="ann")
        return added

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(arrive, range(THREADS))) == [100] * THREADS
    assert_cases_agree_with_alerts(store)


def test_a_new_file_that_another_process_has_just_opened_is_waited_for(tmp_path):
    path = tmp_path / "alerts.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # as in a change of mode, which SQLite refuses to another at once, without waiting
    released = Timer(0.3, other.close)
    released.start()
    open_store(path).close()
    released.join()
