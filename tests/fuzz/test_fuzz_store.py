"""Alert stores: other files in their place, damaged, newer, locked; URLs of all sorts; servers that do not answer."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from anomaly_cl.alerts import connection
from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.store import open_store
from tests.fuzz.damage import damaged
from tests.fuzz.odd_text import CELLS, NAMES
from tests.fuzz.running import keeping_secret
from tests.unit.alerts.made_up_rows import a_run, alerts

SECRET = "s3cr3t-w0rd"
SCHEMES = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite", "sqlite+pysqlcipher", "postgresql", "postgres",
    "postgresql+psycopg",
           "postgresql+psycopg2", "postgresql+asyncpg", "mysql", "mysql+pymysql", "oracle", "mssql+pyodbc", "duckdb",
           "http", "file",
           "jdbc:sqlite", "x", "SQLITE", "", "sqlite+", "postgresql+psycopg+x", "nonsense", "redis", "s3", "snowflake")
PIECES = ("", "/", "//", "///", "////", "@", ":", "user", f"user:{SECRET}", "127.0.0.1", "127.0.0.1:1", "[::1]",
    "[::1", ":99999999", ":port",
          "/alerts.sqlite", "/no/such/folder/a.sqlite", "?mode=ro", "?mode=memory&uri=true", "?uri=true",
          "?timeout=x", "?check_same_thread=y",
          "?host=/nowhere", "?connect_timeout=1", "?options=-c%20x", "?sslmode=maybe", "#x", "%", "%zz", "%00", "\0",
          "\n", " ", "é", "\U0001f600",
          ":memory:", "~", "~nobody", "..", "CON", "a" * 300, "$HOME")


def _used(address: Any) -> None:
    with open_store(address) as store:
        list(store.verdicts())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.2)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a store with a run, alerts and a verdict."""
    path = tmp_path / "whole.sqlite"
    with open_store(path) as store:
        run = a_run()
        made = list(alerts(run, 1, 2, 3))
        named = made[0].id
        store.add_run(run, made)
        store.add_verdict(named, "fraud", author="ann")
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return path.read_bytes()


def test_a_damaged_store_is_used_or_refused(cases, whole, impatient):
    def act(rng, folder):
        path = folder / "alerts.sqlite"
        for each in folder.glob("alerts.sqlite*"):
            each.unlink()
        data = damaged(whole, rng)
        path.write_bytes(data)
        if rng.random() < 0.2:
            path.with_name("alerts.sqlite-wal").write_bytes(damaged(whole[:4_096], rng))
        _used(path)

    cases.run("Store damaged", 60, act)


def test_addresses_of_all_sorts_are_used_or_refused_without_their_passwords(cases, impatient):
    def act(rng, folder):
        parts = [PIECES[i] for i in rng.integers(len(PIECES), size=rng.integers(1, 5))]
        scheme = str(rng.choice(SCHEMES))
        before = ["", f"{scheme}:", f"{scheme}://", f"{scheme}://", f"{scheme}://"][rng.integers(5)]
        text = before + "".join(parts)
        is_path = len(scheme) < 2 or "://" not in text  # of which nothing is a secret
        with nullcontext() if is_path else keeping_secret(SECRET):
            url = store_url(text)
            if url.get_backend_name() == "sqlite":
                url = url.set(database=str(folder / Path(str(url.database)).name[:100]))
            connection.make_engine(url).dispose()

    cases.run("Store address", 900, act)


def _other_file(folder: Path, name: str, whole: bytes) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.sqlite"
    statements = {
        "another database": ["CREATE TABLE runs (x)", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"],
        "a database of other tables": ["CREATE TABLE t (a)"],
        "an unknown revision": ["CREATE TABLE alembic_version (version_num VARCHAR(32))",
                                "INSERT INTO alembic_version VALUES ('9999')"],
        "two revisions": ["CREATE TABLE alembic_version (version_num VARCHAR(32))",
                          "INSERT INTO alembic_version VALUES ('0001'), ('0002')"],
        "a revision without tables": ["CREATE TABLE alembic_version (version_num VARCHAR(32))",
                                      "INSERT INTO alembic_version VALUES ('0001')"],
        "an empty revision": ["CREATE TABLE alembic_version (version_num VARCHAR(32))",
                              "INSERT INTO alembic_version VALUES ('')"],
        "a revision that is a number": ["CREATE TABLE alembic_version (version_num)",
                                        "INSERT INTO alembic_version VALUES (1), (NULL), (x'ff')"],
        "a view": ["CREATE VIEW alembic_version AS SELECT 1"],
    }
    if name in statements:
        with sqlite3.connect(path) as raw:
            for statement in statements[name]:
                raw.execute(statement)
        raw.close()
    elif name == "a folder":
        path.mkdir()
    else:
        path.write_bytes({"text": b"hello\n" * 400, "nothing": b"", "zeros": bytes(8_192),
            "half": whole[:len(whole) // 2],
                          "the head": whole[:100], "Parquet": b"PAR1" + bytes(100) + b"PAR1"}[name])
    return path


def test_other_files_in_the_place_of_a_store_are_refused(cases, whole, impatient):
    names = ("another database", "a database of other tables", "an unknown revision", "two revisions",
        "a revision without tables",
             "an empty revision", "a revision that is a number", "a view", "a folder", "text", "nothing", "zeros",
             "half", "the head", "Parquet")
    cases.run_each("Store is another file", {name: name for name in names},
                   lambda name, folder: _used(_other_file(folder, name, whole)))


@pytest.mark.parametrize("change", ["runs", "alerts", "verdicts"])
def test_a_store_with_other_cells_is_used_or_refused(cases, whole, impatient, change):
    def act(rng, folder):
        path = folder / "alerts.sqlite"
        path.write_bytes(whole)
        with sqlite3.connect(path) as raw:
            columns = [row[1] for row in raw.execute(f"PRAGMA table_info({change})")]
            column = columns[rng.integers(len(columns))]
            values = [None, -1, 2.5, b"\xff", 10**18, *CELLS, *NAMES]
            with suppress(sqlite3.IntegrityError):
                raw.execute(f"UPDATE {change} SET {column} = ?", [values[rng.integers(len(values))]])
        raw.close()
        _used(path)

    cases.run("Store with other cells", 20, act)


def test_a_locked_store_is_refused_in_the_end(cases, whole, impatient):
    def act(_rng, folder):
        path = folder / "alerts.sqlite"
        path.write_bytes(whole)
        raw = sqlite3.connect(path)
        raw.execute("PRAGMA journal_mode = DELETE")
        raw.execute("BEGIN EXCLUSIVE")
        try:
            _used(path)
        finally:
            raw.close()

    cases.run("Store locked", 2, act)


@contextmanager
def _server(answers: Any) -> Iterator[int]:
    """A port of this machine at which `answers(connection)` is done with each that comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve() -> None:
            while True:
                try:
                    came, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answers, args=(came,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def _silent(came: socket.socket) -> None:
    came.recv(1 << 16)
    threading.Event().wait(30)


def _refusing(came: socket.socket) -> None:
    """What PostgreSQL says to a wrong password (protocol 3.0, ErrorResponse)."""
    came.recv(1 << 16)
    came.sendall(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))
    came.recv(1 << 16)
    fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"ann\"\0\0"
    came.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
    came.close()


def _talking_nonsense(came: socket.socket) -> None:
    came.recv(1 << 16)
    came.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    came.close()


def test_servers_that_do_not_answer_or_refuse_are_told_without_the_password(cases, monkeypatch):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 2)
    servers = {"silent": _silent, "refusing": _refusing, "nonsense": _talking_nonsense,
        "closing": lambda came: came.close()}

    def act(case, _folder):
        with keeping_secret(SECRET):
            if case in servers:
                with _server(servers[case]) as port:
                    _used(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/alerts?sslmode=disable&gssencmode=disable")
            _used(f"postgresql://ann:{SECRET}@{case}/alerts")

    places = ("127.0.0.1:1", "no-such-host.invalid", "/nowhere")
    cases.run_each("Store server", {name: name for name in (*servers, *places)}, act)
