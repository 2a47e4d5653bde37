"""Databases to test on: an SQLite file, and one of a PostgreSQL server started here, where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

DATABASES = count()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store is to be."""
    if request.param == "sqlite":
        return str(tmp_path / "alerts.sqlite")
    return new_database(request.getfixturevalue("server"))


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """Folder of the socket of a PostgreSQL server; the test is skipped where none can be started."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # pytest's own paths are too long for a socket
    account = _account(folder)
    data, options = folder / "data", f"-c listen_addresses='' -c fsync=off -k {folder}"
    run = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **account}
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], **run)
        subprocess.run([programs / "pg_ctl", "start", "-w", "-D", data, "-o", options], **run)
        try:
            yield folder
        finally:
            subprocess.run([programs / "pg_ctl", "stop", "-m", "immediate", "-D", data], **run)
    finally:
        shutil.rmtree(folder)


def new_database(server: Path) -> str:
    """URL of a new database."""
    import psycopg

    name = f"store_{next(DATABASES)}"
    with psycopg.connect(f"host={server} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://postgres@/{name}?host={server}"


def _programs() -> Path:
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    return Path(found).resolve().parent


def _account(folder: Path) -> dict[str, str]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        folder.rmdir()
        pytest.skip("root can start PostgreSQL only as the user postgres, which does not exist")
    shutil.chown(folder, "postgres")
    return {"user": "postgres"}
