"""Database engines for the alert store, and their failures in plain words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from anomaly_cl.alerts.json_values import json_text
from anomaly_cl.alerts.location import REMEDY, shown
from anomaly_cl.errors import InputError, UsageError

BUSY_SECONDS = 30
ANSWER_SECONDS = 10  # that a server has to let in who asks; without, a silent one is waited for without end
BACKENDS = ("sqlite", "postgresql")
BUSY = f"the store must become free within {BUSY_SECONDS} s"
FAILURES = {
    "file is not a database": ("the store must be an SQLite database", "give another path"),
    "malformed": ("the store must be an undamaged SQLite database", "restore a copy of it"),
    "unable to open": ("the file of the store must be readable and writable, and so must its folder",
                       "change their permissions, or give another path"),
    "readonly": ("the store must be writable", "change the permissions of the file and its folder"),
    "lock timeout": (BUSY, "try again when the other program has ended"),
    "locked": (BUSY, "try again when the other program has ended"),
    "already exists": ("the store must be empty or made by anomaly_cl", "give another path or database"),
    "disk is full": ("the disk of the store must have room", "free some"),
    "constraint": ("runs, alerts and verdicts must be complete", "set what is missing"),
}
OTHER_FAILURE = ("the store must be reachable and in order", REMEDY)


def make_engine(url: URL, *, upgrading: bool = False) -> Engine:
    """Engine of an SQLite or PostgreSQL store; nothing is opened yet.

    SQLite: write-ahead log (readers never wait for a writer), writers wait for each other up to BUSY_SECONDS, foreign
    keys enforced. With `upgrading`, for changing tables only: each transaction excludes other writers from its start,
    and foreign keys rest, because SQLite changes a table by copying and dropping it
    (https://www.sqlite.org/lang_altertable.html, section 7).
    """
    if url.get_backend_name() not in BACKENDS:
        raise UsageError("the store must be SQLite or PostgreSQL", f"found {url.drivername!r}", REMEDY)
    waits = url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query
    try:
        # Parameters are hidden because they are records, and error messages end up in logs.
        engine = create_engine(url, json_serializer=json_text, hide_parameters=True, pool_pre_ping=True,
                               connect_args={"connect_timeout": ANSWER_SECONDS} if waits else {})
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError("the driver of the store must be installed", f"{url.drivername}: {error}",
                         "install it; for postgresql:// URLs that is anomaly_cl[postgres]") from error
    except (ArgumentError, TypeError, ValueError) as error:  # an option that the driver does not take
        raise InputError("the URL of the store must suit its driver", f"{shown(url)}: {error}", REMEDY) from error
    if engine.dialect.is_async:
        raise UsageError("the driver of the store must be synchronous", f"found {url.drivername!r}", REMEDY)
    if engine.dialect.name == "sqlite":
        _set_up_sqlite(engine, upgrading)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that keeps out other writers from its start, so that what it reads stays true until it writes.

    Raises InputError if the database fails, or others write for longer than BUSY_SECONDS.
    """
    with explained(engine.url), engine.execution_options(writes=True).begin() as connection:
        keep_writers_out(connection)
        yield connection


def keep_writers_out(connection: Connection) -> None:
    """On PostgreSQL until the transaction's end; SQLite does so itself, from a transaction's first write."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('anomaly_cl.alerts.writer'))")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Raise InputError, with the rule, in place of the database's own errors."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        rule, remedy = next((told for mark, told in FAILURES.items() if mark in cause), OTHER_FAILURE)
        raise InputError(rule, f"{shown(url)}: {cause}", remedy) from error


def _set_up_sqlite(engine: Engine, upgrading: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        # sqlite3 would begin a transaction only before INSERT, UPDATE and DELETE; `begin` does it for all statements.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        _use_write_ahead_log(connection)
        connection.execute(f"PRAGMA foreign_keys = {'OFF' if upgrading else 'ON'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = upgrading or connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_write_ahead_log(connection: Any) -> None:
    """Wait, as SQLite itself does not, while another process that opened the new file is changing its mode too."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
